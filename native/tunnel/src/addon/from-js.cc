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

ListenerRole role(const std::string& name) {
  if (name == "outbound") return ListenerRole::outbound;
  if (name == "socks5") return ListenerRole::socks5;
  return name == "inbound-plaintext" ? ListenerRole::inbound_plaintext : ListenerRole::inbound_hbone;
}

OriginalSource original_source(const std::string& name) {
  if (name == "auto") return OriginalSource::automatic;
  return name == "require" ? OriginalSource::require : OriginalSource::never;
}

FailureCode failure_code(const std::string& name) {
  return name == "TLS" ? FailureCode::tls : FailureCode::io;
}

Hop hop(Arguments& arguments) {
  Hop hop;
  hop.authority = arguments.text();
  hop.credential = credential(arguments.value());
  hop.identity = arguments.text();
  hop.application_ip = arguments.text();
  hop.expected_identities = arguments.texts();
  hop.headers = arguments.headers();
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
  if (has(object, "tunnelCongestionControl")) {
    settings.tunnel_congestion_control = text(object, "tunnelCongestionControl");
  }
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
  if (has(object, "halfFailedTimeout")) settings.half_failed_timeout = number(object, "halfFailedTimeout");
  settings.sockets = socket_settings(child(object, "sockets"));
  Napi::Object http2 = child(object, "http2"), pool = child(object, "pool");
  settings.http2 = {static_cast<uint32_t>(number(http2, "streamWindow")),
                    static_cast<uint32_t>(number(http2, "connectionWindow")),
                    static_cast<uint32_t>(number(http2, "maxFrameSize"))};
  Napi::Object tls = child(object, "tls");
  settings.tls = {tls.Get("ownRecords").ToBoolean(),
                  static_cast<uint64_t>(tls.Get("recordsPerKey").ToNumber().Int64Value())};
  settings.pool = {static_cast<uint32_t>(number(pool, "maxStreamsPerTunnel")),
                   pool.Get("unusedRelease").ToNumber().Int64Value(), static_cast<uint32_t>(number(pool, "maxTunnels"))};
  return settings;
}

Endpoint Arguments::endpoint() {
  std::string ip = text();
  return {std::move(ip), static_cast<uint16_t>(number())};
}

std::vector<HeaderField> Arguments::headers() {
  std::vector<HeaderField> fields(number());
  for (auto& [name, value] : fields) {
    name = text();
    value = text();
  }
  return fields;
}

std::vector<std::string> Arguments::texts() {
  std::vector<std::string> all(number());
  for (auto& one : all) one = text();
  return all;
}

Decision refusal(Arguments arguments) {
  if (!arguments.more()) return Refuse{};
  FailureCode code = failure_code(arguments.text());
  return Refuse{Failure{code, arguments.text()}};
}

Decision socks5_refusal(Arguments arguments) { return Refuse{std::nullopt, static_cast<uint8_t>(arguments.number())}; }

Decision answer(Arguments arguments) { return Answer{static_cast<int>(arguments.number())}; }

Decision direct(Arguments arguments) {
  Direct direct{arguments.endpoint(), arguments.text(), "", {}};
  if (Napi::Value preface = arguments.value(); preface.IsTypedArray()) {
    auto bytes = preface.As<Napi::Uint8Array>();
    direct.preface.assign(reinterpret_cast<const char*>(bytes.Data()), bytes.ByteLength());
  }
  direct.response_headers = arguments.headers();
  return direct;
}

Decision tunnel(Arguments arguments) {
  ThroughTunnel tunnel{arguments.endpoint(), hop(arguments), std::nullopt};
  if (arguments.more()) tunnel.inner = hop(arguments);
  return tunnel;
}

SharedCredential credential(Napi::Value value) {
  if (!value.IsExternal()) return nullptr;
  return *value.As<Napi::External<SharedCredential>>().Data();
}
