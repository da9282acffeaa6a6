#include <malloc.h>
#include <napi.h>
#include <uv.h>

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
                       {InstanceMethod("open", &JsEngine::open), InstanceMethod("refuse", &JsEngine::refuse),
                        InstanceMethod("refuseSocks5", &JsEngine::refuse_socks5),
                        InstanceMethod("answer", &JsEngine::answer), InstanceMethod("direct", &JsEngine::direct),
                        InstanceMethod("tunnel", &JsEngine::tunnel),
                        InstanceMethod("giveCredential", &JsEngine::give_credential),
                        InstanceMethod("cut", &JsEngine::cut), InstanceMethod("drain", &JsEngine::drain),
                        InstanceMethod("drainDeadline", &JsEngine::drain_deadline),
                        InstanceMethod("close", &JsEngine::close), InstanceMethod("flush", &JsEngine::flush),
                        InstanceMethod("loads", &JsEngine::loads),
                        InstanceMethod("trim", &JsEngine::trim), InstanceMethod("revoke", &JsEngine::revoke),
                        InstanceMethod("stop", &JsEngine::stop)});
  }

  explicit JsEngine(const Napi::CallbackInfo& info) : Napi::ObjectWrap<JsEngine>(info),
        context_(info.Env(), "culvert tunnel engine"), handlers_(info[3].As<Napi::Object>()) {
    uv_loop_t* loop = nullptr;
    napi_get_uv_event_loop(info.Env(), &loop);
    // Not a thread-safe function: that one goes on as long as events come, and nothing else on this thread has its turn.
    wake_ = new Wake{{}, this, nullptr};
    uv_async_init(loop, &wake_->async, [](uv_async_t* async) {
      if (auto* wake = reinterpret_cast<Wake*>(async); wake->engine != nullptr) wake->engine->deliver();
    });
    // At process.exit, and when a worker thread is terminated, the data threads must not outlive what they notify.
    napi_add_async_cleanup_hook(info.Env(), [](napi_async_cleanup_hook_handle, void* wake) {
      if (auto* engine = static_cast<Wake*>(wake)->engine; engine != nullptr) engine->end();
    }, wake_, &wake_->hook);
    unsigned threads = info[0].ToNumber().Uint32Value(), most = info[1].ToNumber().Uint32Value();
    try {
      engine_ = std::make_unique<culvert::Engine>(threads, most, limits(info[2].As<Napi::Object>()),
                                                  [wake = wake_] { uv_async_send(&wake->async); });
    } catch (const std::exception& error) {
      close_wake();
      throw Napi::Error::New(info.Env(), std::string("the tunnel engine cannot start: ") + error.what());
    }
  }

  ~JsEngine() override { end(); }

 private:
  // Wakes this thread; goes when the event loop has let go of it, which may be after the engine.
  struct Wake {
    uv_async_t async;  // the first member: callbacks get its address
    JsEngine* engine;
    napi_async_cleanup_hook_handle hook;
  };

  static culvert::PodId pod(const Napi::CallbackInfo& info) { return info[0].ToNumber().Uint32Value(); }
  static culvert::ConnectionId id(const Napi::CallbackInfo& info) {
    return static_cast<culvert::ConnectionId>(info[1].ToNumber().Int64Value());
  }

  void deliver() {
    if (engine_ == nullptr) return;
    Napi::Env env = Env();
    Napi::HandleScope scope(env);
    std::vector<culvert::Event> events = engine_->take_events();
    if (events.empty()) return;
    // Promises go on when the whole batch has been told, so their answers are one batch too.
    Napi::CallbackScope whole_batch(env, context_);
    for (const auto& event : events) {
      try {
        handlers_.call(env, event);
      } catch (const Napi::Error& error) {
        napi_fatal_exception(env, error.Value());
      }
    }
  }

  // After `stop` answers may still come; they are about nothing any more.
  Napi::Value open(const Napi::CallbackInfo& info) {
    Napi::Env env = info.Env();
    if (engine_ == nullptr) throw Napi::Error::New(env, "the engine was stopped");
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

  void decide(const Napi::CallbackInfo& info, culvert::Decision (*read)(Arguments)) {
    if (engine_ != nullptr) engine_->decide(pod(info), id(info), read(Arguments(info, 2)));
  }
  void refuse(const Napi::CallbackInfo& info) { decide(info, refusal); }
  void refuse_socks5(const Napi::CallbackInfo& info) { decide(info, socks5_refusal); }
  void answer(const Napi::CallbackInfo& info) { decide(info, ::answer); }
  void direct(const Napi::CallbackInfo& info) { decide(info, ::direct); }
  void tunnel(const Napi::CallbackInfo& info) { decide(info, ::tunnel); }
  void give_credential(const Napi::CallbackInfo& info) {
    if (engine_ != nullptr) engine_->give_credential(pod(info), id(info), credential(info[2]));
  }
  void cut(const Napi::CallbackInfo& info) { if (engine_ != nullptr) engine_->cut(pod(info), id(info)); }
  void drain(const Napi::CallbackInfo& info) { if (engine_ != nullptr) engine_->drain(pod(info)); }
  void drain_deadline(const Napi::CallbackInfo& info) { if (engine_ != nullptr) engine_->drain_deadline(pod(info)); }
  void close(const Napi::CallbackInfo& info) { if (engine_ != nullptr) engine_->close(pod(info)); }

  void revoke(const Napi::CallbackInfo& info) {
    if (engine_ == nullptr) return;
    auto array = info[0].As<Napi::Array>();
    std::vector<std::string> lists;
    for (uint32_t i = 0; i < array.Length(); i++) {
      auto der = array.Get(i).As<Napi::Uint8Array>();
      lists.emplace_back(reinterpret_cast<const char*>(der.Data()), der.ByteLength());
    }
    try {
      engine_->revoke(std::make_shared<const culvert::Revocations>(lists));
    } catch (const std::runtime_error& error) {
      throw Napi::Error::New(info.Env(), error.what());
    }
  }

  void flush(const Napi::CallbackInfo&) {
    if (engine_ != nullptr) engine_->flush();
  }

  Napi::Value loads(const Napi::CallbackInfo& info) {
    Napi::Array array = Napi::Array::New(info.Env());
    if (engine_ == nullptr) return array;
    for (uint32_t load : engine_->loads()) array[array.Length()] = Napi::Number::New(info.Env(), load);
    return array;
  }

  // glibc gives back what is free at an arena's end only; the rest of a burst would stay for good.
  void trim(const Napi::CallbackInfo&) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
  }

  void stop(const Napi::CallbackInfo&) {
    if (engine_ == nullptr) return;
    engine_->stop();
    deliver();
    end();
  }

  void end() {
    if (engine_ == nullptr) return;
    engine_.reset();
    close_wake();
  }

  void close_wake() {
    wake_->engine = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(&wake_->async), [](uv_handle_t* async) {
      auto* wake = reinterpret_cast<Wake*>(async);
      napi_remove_async_cleanup_hook(wake->hook);
      delete wake;
    });
  }

  std::unique_ptr<culvert::Engine> engine_;
  Wake* wake_ = nullptr;
  Napi::AsyncContext context_;
  EventHandlers handlers_;
};

// (certificateChain, privateKey, roots, trustDomain | undefined, tls12, postQuantumOnly): parsed once, for any number of connections.
Napi::Value make_credential(const Napi::CallbackInfo& info) {
  std::optional<std::string> trust_domain;
  if (info[3].IsString()) trust_domain = info[3].As<Napi::String>();
  try {
    auto parsed = std::make_shared<const culvert::TlsCredential>(
        info[0].ToString(), info[1].ToString(), info[2].ToString(), std::move(trust_domain),
        culvert::TlsProfile{info[4].ToBoolean(), info[5].ToBoolean()});
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
