#include <napi.h>

#include <stdexcept>

#include "../engine/engine.h"
#include "from-js.h"
#include "to-js.h"

namespace {

// The engine as a JavaScript object. Its events come in batches, on the thread that made it.
class JsEngine final : public Napi::ObjectWrap<JsEngine> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Engine",
                       {InstanceMethod("open", &JsEngine::open), InstanceMethod("decide", &JsEngine::decide),
                        InstanceMethod("giveCredential", &JsEngine::give_credential),
                        InstanceMethod("cut", &JsEngine::cut), InstanceMethod("drain", &JsEngine::drain),
                        InstanceMethod("drainDeadline", &JsEngine::drain_deadline),
                        InstanceMethod("close", &JsEngine::close), InstanceMethod("stop", &JsEngine::stop)});
  }

  explicit JsEngine(const Napi::CallbackInfo& info) : Napi::ObjectWrap<JsEngine>(info) {
    handler_ = Napi::Persistent(info[1].As<Napi::Function>());
    wake_ = Napi::ThreadSafeFunction::New(info.Env(), Napi::Function::New(info.Env(), [](const Napi::CallbackInfo&) {}),
                                          "culvert tunnel engine", 0, 1);
    unsigned threads = info[0].ToNumber().Uint32Value();
    engine_ = std::make_unique<culvert::Engine>(threads, [this] {
      wake_.NonBlockingCall([this](Napi::Env env, Napi::Function) { deliver(env); });
    });
  }

  ~JsEngine() override { end(); }

 private:
  static culvert::PodId pod(const Napi::CallbackInfo& info) { return info[0].ToNumber().Uint32Value(); }
  static culvert::ConnectionId id(const Napi::CallbackInfo& info) {
    return static_cast<culvert::ConnectionId>(info[1].ToNumber().Int64Value());
  }

  void deliver(Napi::Env env) {
    if (engine_ == nullptr) return;
    Napi::HandleScope scope(env);
    std::vector<culvert::Event> events = engine_->take_events();
    if (events.empty()) return;
    Napi::Array array = Napi::Array::New(env, events.size());
    for (uint32_t i = 0; i < events.size(); i++) array[i] = to_js(env, events[i]);
    handler_.Call({array});
  }

  Napi::Value open(const Napi::CallbackInfo& info) {
    Napi::Env env = info.Env();
    try {
      culvert::OpenedPod opened = engine_->open(pod_settings(info[0].As<Napi::Object>()));
      Napi::Object result = Napi::Object::New(env);
      Napi::Array listeners = Napi::Array::New(env, opened.listeners.size());
      for (uint32_t i = 0; i < opened.listeners.size(); i++) listeners[i] = to_js(env, opened.listeners[i]);
      result["pod"] = Napi::Number::New(env, opened.id);
      result["listeners"] = listeners;
      result["originalSource"] = Napi::Boolean::New(env, opened.original_source);
      return result;
    } catch (const culvert::BindFailure& failure) {
      throw Napi::Error::New(env, "failed to bind to address " + to_text(failure.at) + ": " +
                                      culvert::os_error(failure.error));
    }
  }

  void decide(const Napi::CallbackInfo& info) {
    engine_->decide(pod(info), id(info), decision(info[2].As<Napi::Object>()));
  }
  void give_credential(const Napi::CallbackInfo& info) {
    engine_->give_credential(pod(info), id(info), credential(info[2]));
  }
  void cut(const Napi::CallbackInfo& info) { engine_->cut(pod(info), id(info)); }
  void drain(const Napi::CallbackInfo& info) { engine_->drain(pod(info)); }
  void drain_deadline(const Napi::CallbackInfo& info) { engine_->drain_deadline(pod(info)); }
  void close(const Napi::CallbackInfo& info) { engine_->close(pod(info)); }

  void stop(const Napi::CallbackInfo& info) {
    if (engine_ == nullptr) return;
    engine_->stop();
    deliver(info.Env());
    end();
  }

  void end() {
    if (engine_ == nullptr) return;
    engine_.reset();
    wake_.Release();
  }

  std::unique_ptr<culvert::Engine> engine_;
  Napi::ThreadSafeFunction wake_;
  Napi::FunctionReference handler_;
};

// (certificateChain, privateKey, roots, trustDomain | undefined): parsed once, for any number of connections.
Napi::Value make_credential(const Napi::CallbackInfo& info) {
  std::optional<std::string> trust_domain;
  if (info[3].IsString()) trust_domain = info[3].As<Napi::String>();
  try {
    auto parsed = std::make_shared<const culvert::TlsCredential>(
        info[0].ToString(), info[1].ToString(), info[2].ToString(), std::move(trust_domain));
    return Napi::External<SharedCredential>::New(info.Env(), new SharedCredential(std::move(parsed)),
                                                 [](Napi::Env, SharedCredential* held) { delete held; });
  } catch (const std::runtime_error& error) {
    throw Napi::Error::New(info.Env(), error.what());
  }
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports["Engine"] = JsEngine::define(env);
  exports["credential"] = Napi::Function::New(env, make_credential);
  exports["opensslVersion"] = Napi::String::New(env, OPENSSL_VERSION_STR);
  return exports;
}

}  // namespace

NODE_API_MODULE(tunnel, init)
