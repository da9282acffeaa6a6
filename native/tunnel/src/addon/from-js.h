#pragma once
#include <napi.h>

#include "../engine/limits.h"
#include "../engine/tls-credential.h"
#include "../engine/values.h"

using SharedCredential = std::shared_ptr<const culvert::TlsCredential>;

// Settings from the objects of index.d.ts. The adapter made them, so a missing key is a mistake of ours and throws as
// JavaScript would.
culvert::Limits limits(Napi::Object object);
culvert::PodSettings pod_settings(Napi::Object object);

// The values a function was called with, one after the other.
class Arguments {
 public:
  Arguments(const Napi::CallbackInfo& info, size_t first) : info_(info), next_(first) {}

  bool more() const { return next_ < info_.Length(); }
  Napi::Value value() { return info_[next_++]; }
  std::string text() { return value().ToString(); }
  uint32_t number() { return value().ToNumber().Uint32Value(); }
  culvert::Endpoint endpoint();
  // Each is a count and then as many: names with their values, or texts.
  std::vector<culvert::HeaderField> headers();
  std::vector<std::string> texts();

 private:
  const Napi::CallbackInfo& info_;
  size_t next_;
};

// Decisions from the arguments of the functions of that name.
culvert::Decision refusal(Arguments arguments);
culvert::Decision socks5_refusal(Arguments arguments);
culvert::Decision answer(Arguments arguments);
culvert::Decision direct(Arguments arguments);
culvert::Decision tunnel(Arguments arguments);

// null when the value is undefined.
SharedCredential credential(Napi::Value value);
