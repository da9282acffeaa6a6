#include "from-js.h"

#include <stdexcept>

using namespace culvert;

namespace {

std::string text(Napi::Object object, const char* key) { return object.Get(key).ToString(); }

int32_t number(Napi::Object object, const char* key) { return object.Get(key).ToNumber().Int32Value(); }

bool has(Napi::Object object, const char* key) {
  Napi::Value value = object.Get(key);
  return !value.IsUndefined() && !value.IsNull();
}

Napi::Object child(Napi::Object object, const char* key) { return object.Get(key).As<Napi::Object>(); }

Endpoint endpoint(Napi::Object object) { return {text(object, "ip"), static_cast<uint16_t>(number(object, "port"))}; }

std::vector<HeaderField> headers(Napi::Value value) {
  auto lines = value.As<Napi::Array>();
  std::vector<HeaderField> fields;
  for (uint32_t i = 0; i < lines.Length(); i++) {
    auto line = lines.Get(i).As<Napi::Array>();
    fields.emplace_back(line.Get(0u).ToString().Utf8Value(), line.Get(1u).ToString().Utf8Value());
  }
  return fields;
}

ListenerRole role(const std::string& name) {
  if (name == "outbound") return ListenerRole::outbound;
  return name == "inbound-plaintext" ? ListenerRole::inbound_plaintext : ListenerRole::inbound_hbone;
}

OriginalSource original_source(const std::string& name) {
  if (name == "auto") return OriginalSource::automatic;
  return name == "require" ? OriginalSource::require : OriginalSource::never;
}

FailureCode failure_code(const std::string& name) {
  return name == "TLS" ? FailureCode::tls : FailureCode::io;
}

Hop hop(Napi::Object object) {
  Hop hop{text(object, "authority"),         headers(object.Get("headers")), credential(object.Get("credential")), {},
          text(object, "identity"), text(object, "applicationIp")};
  auto identities = object.Get("expectedIdentities").As<Napi::Array>();
  for (uint32_t i = 0; i < identities.Length(); i++) {
    hop.expected_identities.push_back(identities.Get(i).ToString());
  }
  return hop;
}

SocketSettings socket_settings(Napi::Object object) {
  SocketSettings settings;
  settings.mark = object.Get("mark").ToNumber().Uint32Value();
  settings.listener_mark = object.Get("listenerMark").ToNumber().Uint32Value();
  settings.reuse_port = object.Get("reusePort").ToBoolean();
  settings.original_source = original_source(text(object, "originalSource"));
  if (has(object, "keepalive")) {
    Napi::Object keepalive = child(object, "keepalive");
    settings.keepalive = Keepalive{number(keepalive, "idle"), number(keepalive, "interval"), number(keepalive, "retries")};
  }
  settings.user_timeout = object.Get("userTimeout").ToBoolean();
  settings.connect_timeout = number(object, "connectTimeout");
  settings.handshake_timeout = number(object, "handshakeTimeout");
  return settings;
}

}  // namespace

Limits limits(Napi::Object object) {
  // Of what a JavaScript number can say; one that is larger is no limit.
  auto count = [&](const char* key) { return static_cast<uint64_t>(object.Get(key).ToNumber().Int64Value()); };
  return {count("connections"), count("streams"), count("bufferedBytes")};
}

PodSettings pod_settings(Napi::Object object) {
  PodSettings settings;
  settings.netns = number(object, "netns");
  auto listeners = object.Get("listeners").As<Napi::Array>();
  for (uint32_t i = 0; i < listeners.Length(); i++) {
    auto listener = listeners.Get(i).As<Napi::Object>();
    settings.listeners.push_back({role(text(listener, "role")), endpoint(listener)});
  }
  settings.sockets = socket_settings(child(object, "sockets"));
  Napi::Object http2 = child(object, "http2"), pool = child(object, "pool");
  settings.http2 = {static_cast<uint32_t>(number(http2, "streamWindow")),
                    static_cast<uint32_t>(number(http2, "connectionWindow")),
                    static_cast<uint32_t>(number(http2, "maxFrameSize"))};
  settings.pool = {static_cast<uint32_t>(number(pool, "maxStreamsPerTunnel")),
                   pool.Get("unusedRelease").ToNumber().Int64Value()};
  return settings;
}

Decision decision(Napi::Object object) {
  std::string kind = text(object, "kind");
  if (kind == "refuse") {
    if (!has(object, "failure")) return Refuse{};
    Napi::Object failure = child(object, "failure");
    return Refuse{Failure{failure_code(text(failure, "code")), text(failure, "detail")}};
  }
  if (kind == "answer") return Answer{number(object, "status")};
  if (kind == "direct") {
    Direct direct{endpoint(child(object, "to")), has(object, "from") ? text(object, "from") : "", "", {}};
    if (has(object, "preface")) {
      auto bytes = object.Get("preface").As<Napi::Uint8Array>();
      direct.preface.assign(reinterpret_cast<const char*>(bytes.Data()), bytes.ByteLength());
    }
    if (has(object, "responseHeaders")) direct.response_headers = headers(object.Get("responseHeaders"));
    return direct;
  }
  ThroughTunnel tunnel{endpoint(child(object, "to")), hop(child(object, "outer")), std::nullopt};
  if (has(object, "inner")) tunnel.inner = hop(child(object, "inner"));
  return tunnel;
}

SharedCredential credential(Napi::Value value) {
  if (!value.IsExternal()) return nullptr;
  return *value.As<Napi::External<SharedCredential>>().Data();
}
