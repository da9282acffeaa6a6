#pragma once
#include "socket.h"
#include "test-engine.h"

namespace culvert::test {

// Every part of a mesh that a test may want otherwise.
struct MeshOptions {
  unsigned threads = 2;
  Limits limits;
  PodSettings settings;  // of both pods, without their listeners
  std::function<void(Socket&)> serve = echo;
  // The address that the client's tunnels go to, given the server's.
  std::function<Endpoint(const Endpoint&)> way;
  // Changes what the client decides.
  std::function<void(ThroughTunnel&)> change;
  std::optional<Handler> client, server;
};

// Two pods on the loopback address: what `client` accepts goes through a tunnel to `server` and on to an application.
struct Mesh {
  explicit Mesh(MeshOptions options = {});

  Socket connect() const { return Socket::connect(client.listeners[0]); }
  // Sends so much, reads it back, and checks that it is the same.
  void exchange(Socket& socket, size_t bytes) const;
  ThroughTunnel through(const Endpoint& to) const;

  // In the order in which they must end: last to first.
  MeshOptions options;
  Application application;
  TestEngine engine;
  OpenedPod server, client;
};

PodSettings pod_at(ListenerRole role, PodSettings settings = {});

// The inbound listener's handler: lets everybody through to the authority.
Handler open_server();

Endpoint authority_endpoint(const std::string& authority);

}  // namespace culvert::test
