#include <napi.h>

#include "messages.h"
#include "namespaces.h"
#include "poll.h"
#include "sockets.h"

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  init_namespaces(env, exports);
  init_sockets(env, exports);
  init_messages(env, exports);
  init_poll(env, exports);
  return exports;
}

NODE_API_MODULE(netns, init)
