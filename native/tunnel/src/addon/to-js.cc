#include "to-js.h"

using namespace culvert;

namespace {

// Appends an event's values in the order of its function in index.d.ts.
struct Filler {
  Napi::Env env;
  std::vector<napi_value>& arguments;

  void push(napi_value value) { arguments.push_back(value); }
  void add(const char* text) { push(Napi::String::New(env, text)); }
  void add(const std::string& text) { push(Napi::String::New(env, text)); }
  void add(double number) { push(Napi::Number::New(env, number)); }
  void add(uint64_t number) { add(static_cast<double>(number)); }
  void add(bool value) { push(Napi::Boolean::New(env, value)); }
  void add(const Endpoint& endpoint) {
    add(endpoint.ip);
    add(static_cast<double>(endpoint.port));
  }
  void add_undefined() { push(env.Undefined()); }
  void add_if_some(const std::string& text) { text.empty() ? add_undefined() : add(text); }

  void operator()(const ConnectionAccepted& event) {
    add(event.id);
    add(name(event.role));
    add(event.source);
    add(event.destination);
  }
  void operator()(const StreamRequested& event) {
    add(event.id);
    add(event.source);
    add(event.local);
    add_if_some(event.peer_identity);
    add(event.method);
    event.authority ? add(*event.authority) : add_undefined();
    for (const auto& [field, value] : event.headers) {
      add(field);
      add(value);
    }
  }
  void operator()(const CredentialWanted& event) {
    add(event.id);
    add(event.peer);
    add(event.local);
  }
  void operator()(const HandshakeFailed& event) {
    add(event.peer);
    add(event.local);
    add(event.message);
  }
  void operator()(const SocketsChanged& event) {
    add(name(event.role));
    add(static_cast<double>(event.opened));
    add(static_cast<double>(event.closed));
  }
  void operator()(const ConnectionOpened& event) {
    add(event.id);
    add_if_some(event.peer_identity);
    for (const auto& line : event.baggage) add(line);
  }
  void operator()(const ConnectionProgressed& event) {
    add(event.id);
    add(event.from_client);
    add(event.to_client);
  }
  void operator()(const ConnectionClosed& event) {
    add(event.id);
    add(event.from_client);
    add(event.to_client);
    add(event.untold_from_client);
    add(event.untold_to_client);
    add(event.duration);
    if (!event.failure) return;
    add(culvert::name(event.failure->code));
    add(event.failure->detail);
    if (event.failure->status != 0) add(static_cast<double>(event.failure->status));
  }
  void operator()(const PodEnded& event) {
    add(static_cast<double>(event.finished));
    add(static_cast<double>(event.cut));
  }
  void operator()(const Warned& event) { add(event.message); }
  void operator()(const Socks5Requested& event) {
    add(event.id);
    add(event.source);
    // One character per byte: which text it is, if any, is for others to say.
    napi_value host = nullptr;
    napi_create_string_latin1(env, event.host.data(), event.host.size(), &host);
    push(host);
    add(static_cast<double>(event.port));
    add(event.is_name);
  }
  void operator()(const PeerRevoked& event) { add(event.is_server); }
};

// In the order of the variant.
constexpr const char* handler_names[] = {"connection", "stream",   "credential", "handshakeFailed", "sockets",
                                         "opened",     "progress", "closed",     "ended",           "warning",
                                         "socks5",     "peerRevoked"};

}  // namespace

Napi::Object to_js(Napi::Env env, const Endpoint& endpoint) {
  Napi::Object object = Napi::Object::New(env);
  object["ip"] = Napi::String::New(env, endpoint.ip);
  object["port"] = Napi::Number::New(env, endpoint.port);
  return object;
}

EventHandlers::EventHandlers(Napi::Object events) {
  static_assert(std::size(handler_names) == std::tuple_size_v<decltype(handlers_)>);
  for (size_t i = 0; i < handlers_.size(); i++) {
    handlers_[i] = Napi::Persistent(events.Get(handler_names[i]).As<Napi::Function>());
  }
}

void EventHandlers::call(Napi::Env env, const Event& event) {
  Napi::HandleScope scope(env);
  arguments_.clear();
  Filler filler{env, arguments_};
  filler.add(static_cast<double>(event.pod));
  std::visit(filler, event.what);
  handlers_[event.what.index()].Value().Call(arguments_);
}
