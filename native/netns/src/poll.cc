#include "poll.h"

#include <uv.h>

#include "errors.h"

namespace {

// Lives until libuv has let go of the handle, which is later than the JavaScript object's close, or its end.
struct Watch {
  uv_poll_t handle;
  Napi::FunctionReference callback;
  Napi::AsyncContext context;
  napi_async_cleanup_hook_handle hook = nullptr;
  // Where the JavaScript object keeps its pointer to this; emptied when the watch ends, whoever ends it.
  Watch** owner;

  Watch(Napi::Env env, Napi::Function ready, Watch** owner)
      : callback(Napi::Persistent(ready)), context(env, "culvert.netns.Poll"), owner(owner) {
    handle.data = this;
  }
};

void stop_watching(Watch* watch) {
  if (watch->owner == nullptr) return;
  *watch->owner = nullptr;
  watch->owner = nullptr;
  uv_poll_stop(&watch->handle);
  uv_close(reinterpret_cast<uv_handle_t*>(&watch->handle), [](uv_handle_t* handle) {
    auto* watch = static_cast<Watch*>(handle->data);
    napi_async_cleanup_hook_handle hook = watch->hook;
    delete watch;
    // Last of all: it tells an environment that is being torn down to go on.
    if (hook != nullptr) napi_remove_async_cleanup_hook(hook);
  });
}

void report(uv_poll_t* handle, int status, int events) {
  auto* watch = static_cast<Watch*>(handle->data);
  Napi::Env env = watch->callback.Env();
  Napi::HandleScope scope(env);
  // The kernel's error state is both: whoever waits tries again and gets the errno from the call itself.
  int ready = status < 0 ? UV_READABLE | UV_WRITABLE : events;
  try {
    watch->callback.MakeCallback(env.Global(), {Napi::Number::New(env, ready)}, watch->context);
  } catch (const Napi::Error& error) {
    // Nobody in JavaScript is above us on the stack.
    napi_fatal_exception(env, error.Value());
  }
}

class Poll : public Napi::ObjectWrap<Poll> {
 public:
  explicit Poll(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Poll>(info) {
    Napi::Env env = info.Env();
    uv_loop_t* loop = nullptr;
    if (napi_get_uv_event_loop(env, &loop) != napi_ok) throw Napi::Error::New(env, "no event loop");
    auto* watch = new Watch(env, info[1].As<Napi::Function>(), &watch_);
    int error = uv_poll_init(loop, &watch->handle, info[0].As<Napi::Number>().Int32Value());
    if (error != 0) {
      delete watch;
      throw_errno(env, "epoll_ctl", -error);
    }
    // An environment may end (a worker thread) with the handle open: libuv insists that it be closed.
    napi_add_async_cleanup_hook(
        env,
        [](napi_async_cleanup_hook_handle, void* data) { stop_watching(static_cast<Watch*>(data)); },
        watch, &watch->hook);
    watch_ = watch;
  }

  ~Poll() override { release(); }

  void set(const Napi::CallbackInfo& info) {
    if (watch_ == nullptr) return;
    int events = info[0].As<Napi::Number>().Int32Value() & (UV_READABLE | UV_WRITABLE);
    int error = events == 0 ? uv_poll_stop(&watch_->handle) : uv_poll_start(&watch_->handle, events, report);
    if (error != 0) throw_errno(info.Env(), "epoll_ctl", -error);
  }

  void close(const Napi::CallbackInfo&) { release(); }

  static void init(Napi::Env env, Napi::Object exports) {
    exports["Poll"] =
        DefineClass(env, "Poll", {InstanceMethod<&Poll::set>("set"), InstanceMethod<&Poll::close>("close")});
  }

 private:
  void release() {
    if (watch_ != nullptr) stop_watching(watch_);
  }

  Watch* watch_ = nullptr;
};

}  // namespace

void init_poll(Napi::Env env, Napi::Object exports) { Poll::init(env, exports); }
