#include <unistd.h>

#include <chrono>
#include <future>

#include "mesh.h"

namespace culvert::test {

namespace {

FailureCode failure_code(const ConnectionClosed& closed) {
  CHECK(closed.failure.has_value());
  return closed.failure->code;
}

bool is_tunnel_open(const Heard& heard) {
  auto found = heard.sockets_open.find(ListenerRole::inbound_hbone);
  return found != heard.sockets_open.end() && found->second > 0;
}

}  // namespace

TEST("lifecycle: a cut ends one connection and leaves its tunnel") {
  Mesh mesh;
  Socket cut = mesh.connect(), other = mesh.connect();
  mesh.exchange(cut, 1000);
  mesh.exchange(other, 1000);
  ConnectionId id = mesh.engine.heard(mesh.client.id).opened[0].id;
  mesh.engine.ask([&, id](Engine& engine) {
    engine.cut(mesh.client.id, id);
    engine.cut(mesh.client.id, id);
    engine.cut(mesh.client.id, id + 1000);
    engine.cut(mesh.client.id + 1000, id);
  });
  CHECK(failure_code(mesh.engine.wait_closed(mesh.client.id, 1).closed[0]) == FailureCode::cut);
  CHECK(cut.receive_all().empty());
  mesh.exchange(other, 100000);
  CHECK_EQUAL(mesh.engine.heard(mesh.server.id).sockets_opened[ListenerRole::inbound_hbone], 1);
}

TEST("lifecycle: a drain waits for what is open") {
  Mesh mesh;
  Socket socket = mesh.connect();
  mesh.exchange(socket, 1000);
  mesh.engine.ask([&](Engine& engine) {
    engine.drain(mesh.client.id);
    engine.drain(mesh.server.id);
    engine.drain(mesh.server.id);
  });
  mesh.exchange(socket, 1000000);
  socket.finish();
  CHECK(socket.receive_all().empty());
  auto ended = [](const Heard& heard) { return heard.ended.has_value(); };
  for (PodId pod : {mesh.client.id, mesh.server.id}) {
    PodEnded end = *mesh.engine.wait(pod, "the drain", ended).ended;
    CHECK_EQUAL(end.finished, 1u);
    CHECK_EQUAL(end.cut, 0u);
  }
  bool refused = false;
  try {
    mesh.connect();
  } catch (const Failed&) {
    refused = true;
  }
  CHECK(refused);
}

TEST("lifecycle: a drain's deadline cuts the rest") {
  Mesh mesh;
  Socket socket = mesh.connect();
  mesh.exchange(socket, 1000);
  mesh.engine.ask([&](Engine& engine) {
    engine.drain(mesh.server.id);
    engine.drain_deadline(mesh.server.id);
  });
  auto heard = mesh.engine.wait(mesh.server.id, "the drain", [](const Heard& heard) { return heard.ended.has_value(); });
  CHECK_EQUAL(heard.ended->cut, 1u);
  CHECK(failure_code(heard.closed[0]) == FailureCode::drained);
  CHECK(socket.receive_all().empty());
  // Only one direction is over for the client.
  socket.finish();
  mesh.engine.wait_closed(mesh.client.id, 1);
}

TEST("lifecycle: the engine ends under load") {
  for (int round = 0; round < 5; round++) {
    Mesh mesh;
    std::vector<Socket> sockets;
    for (int i = 0; i < 8; i++) sockets.push_back(mesh.connect());
    std::vector<std::thread> threads;
    for (auto& socket : sockets) {
      threads.emplace_back([&socket] {
        std::vector<uint8_t> bytes(1000000, 'x');
        socket.send_some(bytes);
      });
      threads.emplace_back([&socket] { socket.receive_all(); });
    }
    mesh.engine.wait(mesh.client.id, "a connection", [](const Heard& heard) { return !heard.opened.empty(); });
    mesh.engine.stop();
    for (auto& thread : threads) thread.join();
  }
}

TEST("lifecycle: pods come and go beside traffic") {
  Mesh mesh(MeshOptions{.threads = 3});
  Socket socket = mesh.connect();
  for (int round = 0; round < 20; round++) {
    OpenedPod pod = mesh.engine.open(pod_at(ListenerRole::outbound), Handler{[&](const ConnectionAccepted&) {
                                                                               return mesh.through(mesh.server.listeners[0]);
                                                                             },
                                                                             {},
                                                                             {}});
    Socket short_lived = Socket::connect(pod.listeners[0]);
    mesh.exchange(short_lived, 1000);
    mesh.exchange(socket, 10000);
    mesh.engine.ask([id = pod.id](Engine& engine) { engine.close(id); });
    short_lived.receive_all();
    CHECK(failure_code(mesh.engine.wait_closed(pod.id, 1).closed[0]) == FailureCode::drained);
  }
}

TEST("lifecycle: answers that come late, twice, or never") {
  std::vector<ConnectionId> asked;
  Mesh mesh(MeshOptions{.client = Handler{[](const ConnectionAccepted&) -> std::optional<Decision> { return {}; }, {}, {}}});
  auto ids = [&](size_t count) {
    return mesh.engine.wait(mesh.client.id, "a question", [count](const Heard& heard) { return heard.asked.size() >= count; }).asked;
  };
  // Gone before the answer.
  mesh.connect().reset();
  ConnectionId gone = ids(1)[0];
  // Answered twice: the first counts.
  Socket twice = mesh.connect();
  ConnectionId second = ids(2)[1];
  mesh.engine.ask([&, gone, second](Engine& engine) {
    for (ConnectionId id : {gone, second, second, second + 1000}) {
      engine.decide(mesh.client.id, id, mesh.through(mesh.server.listeners[0]));
    }
    engine.decide(mesh.client.id, second, Refuse{});
  });
  mesh.exchange(twice, 10000);
  mesh.engine.wait(mesh.client.id, "the outcome of the first",
                   [gone](const Heard& heard) { return !heard.closed.empty() && heard.closed[0].id == gone; });
  // Never: until the pod ends.
  Socket never = mesh.connect();
  never.send_all("x");
  ids(3);
  mesh.engine.ask([&](Engine& engine) { engine.close(mesh.client.id); });
  CHECK(failure_code(mesh.engine.wait_closed(mesh.client.id, 3).closed[2]) == FailureCode::drained);
  never.receive_all();
}

TEST("lifecycle: credentials that come late, or never") {
  std::vector<ConnectionId> wanted;
  std::mutex mutex;
  Handler handler = open_server();
  handler.credential = [&](const CredentialWanted& one) -> std::optional<std::shared_ptr<const TlsCredential>> {
    std::lock_guard lock(mutex);
    wanted.push_back(one.id);
    if (wanted.size() == 1) return nullptr;
    return {};
  };
  Mesh mesh(MeshOptions{.server = handler});
  Socket refused = mesh.connect();
  CHECK(refused.receive_all().empty());
  Socket late = mesh.connect(), gone = Socket::connect(mesh.server.listeners[0]);
  mesh.engine.wait(mesh.server.id, "questions", [&](const Heard&) {
    std::lock_guard lock(mutex);
    return wanted.size() == 3;
  });
  gone.reset();
  mesh.engine.ask([&](Engine& engine) {
    std::lock_guard lock(mutex);
    for (ConnectionId id : wanted) engine.give_credential(mesh.server.id, id, stock());
    for (ConnectionId id : wanted) engine.give_credential(mesh.server.id, id, nullptr);
  });
  mesh.exchange(late, 10000);
}

TEST("lifecycle: a handshake has a deadline") {
  PodSettings settings;
  settings.sockets.handshake_timeout = 100;
  Mesh mesh(MeshOptions{.settings = settings});
  Socket silent = Socket::connect(mesh.server.listeners[0]);
  CHECK(silent.receive_all().empty());
  auto heard = mesh.engine.wait(mesh.server.id, "the deadline", [](const Heard& heard) { return !heard.handshake_failures.empty(); });
  CHECK_EQUAL(heard.handshake_failures[0], "tls handshake error: no TLS handshake within 100 ms");
}

TEST("lifecycle: many connections leave nothing behind") {
  Mesh mesh;
  auto some = [&](int count) {
    for (int i = 0; i < count; i++) {
      Socket socket = mesh.connect();
      mesh.exchange(socket, 100);
      if (i % 3 == 0) socket.reset();
    }
  };
  some(10);
  mesh.engine.wait_closed(mesh.client.id, 10);
  CHECK(is_tunnel_open(mesh.engine.heard(mesh.server.id)));
  size_t before = open_descriptors();
  some(300);
  mesh.engine.wait_closed(mesh.client.id, 310);
  mesh.engine.wait_closed(mesh.server.id, 310);
  // The application's own may take a moment.
  for (int patience = 0; open_descriptors() > before && patience < 5000; patience++) usleep(1000);
  CHECK(open_descriptors() <= before);
}

TEST("lifecycle: a pod goes while a tunnel whose handshake failed still lingers") {
  std::promise<void> gone;
  // Says no TLS, and stays until the tunnel is given up for good, which resets it.
  Application peer([&](Socket& socket) {
    uint8_t room[4096];
    if (socket.receive(room) <= 0) return;
    const uint8_t byte = 'x';
    while (socket.send_some({&byte, 1}) == 1) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    gone.set_value();
  });
  Mesh mesh(MeshOptions{.way = [&](const Endpoint&) { return peer.at(); }});
  Socket socket = mesh.connect();
  CHECK(failure_code(mesh.engine.wait_closed(mesh.client.id, 1).closed[0]) == FailureCode::io);
  mesh.engine.ask([&](Engine& engine) { engine.close(mesh.client.id); });
  mesh.engine.wait(mesh.client.id, "the pod's end", [](const Heard& heard) { return heard.ended.has_value(); });
  gone.get_future().wait();
}

}  // namespace culvert::test
