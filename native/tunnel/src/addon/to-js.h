#pragma once
#include <napi.h>

#include <array>

#include "../engine/engine.h"

Napi::Object to_js(Napi::Env env, const culvert::Endpoint& endpoint);

// The functions of NativeEvents in index.d.ts. An event is a call with plain values: making an object with a dozen named
// properties through Node-API costs more than all that JavaScript does with it.
class EventHandlers {
 public:
  explicit EventHandlers(Napi::Object events);

  void call(Napi::Env env, const culvert::Event& event);

 private:
  // In the order of the variant in culvert::Event.
  std::array<Napi::FunctionReference, std::variant_size_v<decltype(culvert::Event::what)>> handlers_;
  // Of the running call; kept for its memory.
  std::vector<napi_value> arguments_;
};
