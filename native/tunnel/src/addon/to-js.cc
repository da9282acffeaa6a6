#include "to-js.h"

using namespace culvert;

namespace {

const char* name(ListenerRole role) {
  switch (role) {
    case ListenerRole::outbound: return "outbound";
    case ListenerRole::inbound_plaintext: return "inbound-plaintext";
    case ListenerRole::inbound_hbone: return "inbound-hbone";
  }
  return "";
}

Napi::Array to_js(Napi::Env env, const std::vector<HeaderField>& fields) {
  Napi::Array array = Napi::Array::New(env, fields.size());
  for (uint32_t i = 0; i < fields.size(); i++) {
    Napi::Array line = Napi::Array::New(env, 2);
    line[0u] = Napi::String::New(env, fields[i].first);
    line[1u] = Napi::String::New(env, fields[i].second);
    array[i] = line;
  }
  return array;
}

struct Filler {
  Napi::Env env;
  Napi::Object object;

  void set(const char* key, const std::string& text) { object[key] = Napi::String::New(env, text); }
  void set(const char* key, double number) { object[key] = Napi::Number::New(env, number); }
  void set(const char* key, bool value) { object[key] = Napi::Boolean::New(env, value); }
  void set(const char* key, const Endpoint& endpoint) { object[key] = ::to_js(env, endpoint); }
  void id(ConnectionId id) { set("id", static_cast<double>(id)); }
  void kind(const char* kind) { set("kind", std::string(kind)); }

  void operator()(const ConnectionAccepted& event) {
    kind("connection");
    id(event.id);
    set("role", std::string(name(event.role)));
    set("source", event.source);
    set("destination", event.destination);
  }
  void operator()(const StreamRequested& event) {
    kind("stream");
    id(event.id);
    set("source", event.source);
    set("local", event.local);
    if (!event.peer_identity.empty()) set("peerIdentity", event.peer_identity);
    set("method", event.method);
    if (event.authority) set("authority", *event.authority);
    object["headers"] = to_js(env, event.headers);
  }
  void operator()(const CredentialWanted& event) {
    kind("credential");
    id(event.id);
    set("peer", event.peer);
    set("local", event.local);
  }
  void operator()(const HandshakeFailed& event) {
    kind("handshake-failed");
    set("peer", event.peer);
    set("local", event.local);
    set("message", event.message);
  }
  void operator()(const SocketChanged& event) {
    kind("socket");
    set("role", std::string(name(event.role)));
    set("open", event.open);
  }
  void operator()(const ConnectionOpened& event) {
    kind("opened");
    id(event.id);
    if (!event.peer_identity.empty()) set("peerIdentity", event.peer_identity);
    Napi::Array baggage = Napi::Array::New(env, event.baggage.size());
    for (uint32_t i = 0; i < event.baggage.size(); i++) baggage[i] = Napi::String::New(env, event.baggage[i]);
    object["baggage"] = baggage;
  }
  void operator()(const ConnectionProgressed& event) {
    kind("progress");
    id(event.id);
    set("fromClient", static_cast<double>(event.from_client));
    set("toClient", static_cast<double>(event.to_client));
  }
  void operator()(const ConnectionClosed& event) {
    kind("closed");
    id(event.id);
    set("fromClient", static_cast<double>(event.from_client));
    set("toClient", static_cast<double>(event.to_client));
    set("duration", event.duration);
    if (!event.failure) return;
    Napi::Object failure = Napi::Object::New(env);
    failure["code"] = Napi::String::New(env, culvert::name(event.failure->code));
    failure["detail"] = Napi::String::New(env, event.failure->detail);
    if (event.failure->status != 0) failure["status"] = Napi::Number::New(env, event.failure->status);
    object["failure"] = failure;
  }
  void operator()(const PodEnded& event) {
    kind("ended");
    set("finished", static_cast<double>(event.finished));
    set("cut", static_cast<double>(event.cut));
  }
  void operator()(const Warned& event) {
    kind("warning");
    set("message", event.message);
  }
};

}  // namespace

Napi::Object to_js(Napi::Env env, const Endpoint& endpoint) {
  Napi::Object object = Napi::Object::New(env);
  object["ip"] = Napi::String::New(env, endpoint.ip);
  object["port"] = Napi::Number::New(env, endpoint.port);
  return object;
}

Napi::Object to_js(Napi::Env env, const Event& event) {
  Filler filler{env, Napi::Object::New(env)};
  filler.set("pod", static_cast<double>(event.pod));
  std::visit(filler, event.what);
  return filler.object;
}
