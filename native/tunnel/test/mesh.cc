#include "mesh.h"

#include <algorithm>

namespace culvert::test {

PodSettings pod_at(ListenerRole role, PodSettings settings) {
  settings.listeners = {{role, {"127.0.0.1", 0}}};
  return settings;
}

Endpoint authority_endpoint(const std::string& authority) {
  size_t colon = authority.rfind(':');
  return {authority.substr(0, colon), static_cast<uint16_t>(std::stoi(authority.substr(colon + 1)))};
}

Handler open_server() {
  return {{},
          [](const StreamRequested& stream) {
            return Direct{authority_endpoint(stream.authority.value_or("")), "", "", {{"baggage", "service.name=stock"}}};
          },
          [](const CredentialWanted&) { return stock(); }};
}

Mesh::Mesh(MeshOptions given)
    : options(std::move(given)), application(options.serve), engine(options.threads, options.limits),
      server(engine.open(pod_at(ListenerRole::inbound_hbone, options.settings), options.server.value_or(open_server()))) {
  Endpoint to = options.way ? options.way(server.listeners[0]) : server.listeners[0];
  Handler handler{[this, to](const ConnectionAccepted&) -> std::optional<Decision> {
                    ThroughTunnel tunnel = through(to);
                    if (options.change) options.change(tunnel);
                    return tunnel;
                  },
                  {},
                  {}};
  client = engine.open(pod_at(ListenerRole::outbound, options.settings), options.client.value_or(std::move(handler)));
}

ThroughTunnel Mesh::through(const Endpoint& to) const {
  return {to,
          {to_text(application.at()), {{"baggage", "service.name=cart"}}, cart(), {kStock}, kCart, "127.0.0.1"},
          std::nullopt};
}

void Mesh::exchange(Socket& socket, size_t bytes) const {
  auto sent = random_bytes(bytes);
  std::thread sender([&] { socket.send_some(sent); });
  std::vector<uint8_t> got;
  try {
    got = socket.receive_exactly(bytes);
  } catch (...) {
    socket.interrupt();
    sender.join();
    throw;
  }
  sender.join();
  CHECK(std::ranges::equal(got, sent));
}

}  // namespace culvert::test
