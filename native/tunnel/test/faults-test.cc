#include <algorithm>

#include "chaos-proxy.h"
#include "mesh.h"

namespace culvert::test {

namespace {

// A mesh whose tunnels pass through a proxy that treats them badly.
struct BadMesh {
  explicit BadMesh(MeshOptions options = {}) {
    options.way = [this](const Endpoint& server) {
      proxy.lead_to(server);
      return proxy.at();
    };
    mesh = std::make_unique<Mesh>(std::move(options));
  }

  ChaosProxy proxy;
  std::unique_ptr<Mesh> mesh;
};

// Sends and reads until the connection breaks: what comes back is a beginning of what was sent. How many bytes did.
size_t exchange_some(Socket& socket, const std::vector<uint8_t>& sent) {
  std::thread sender([&] {
    socket.send_some(sent);
    socket.finish();
  });
  std::vector<uint8_t> got;
  try {
    got = socket.receive_all();
  } catch (...) {
    socket.interrupt();
    sender.join();
    throw;
  }
  sender.join();
  CHECK(got.size() <= sent.size());
  CHECK(std::equal(got.begin(), got.end(), sent.begin()));
  return got.size();
}

// New tunnels for what comes next: the last one may be broken, or about to be.
void close_tunnels(BadMesh& bad, size_t connections) {
  bad.mesh->engine.wait_closed(bad.mesh->client.id, connections);
  bad.mesh->engine.wait(bad.mesh->server.id, "the tunnel's end", [](const Heard& heard) {
    auto found = heard.sockets_open.find(ListenerRole::inbound_hbone);
    return found == heard.sockets_open.end() || found->second == 0;
  });
}

PodSettings unpooled() {
  PodSettings settings;
  settings.pool.unused_release = 1;
  return settings;
}

}  // namespace

TEST("faults: bytes one at a time, and in random parts") {
  BadMesh bad(MeshOptions{.settings = unpooled()});
  size_t connections = 0;
  for (size_t part : {1ul, 3ul, 100ul, 2000ul}) {
    bad.proxy.set({.largest_part = part});
    Socket socket = bad.mesh->connect();
    bad.mesh->exchange(socket, part * 3000);
    socket.finish();
    CHECK(socket.receive_all().empty());
    close_tunnels(bad, ++connections);
  }
  for (const auto& closed : bad.mesh->engine.heard(bad.mesh->client.id).closed) CHECK(!closed.failure);
}

TEST("faults: a cut anywhere in the handshake and the first frames") {
  BadMesh bad(MeshOptions{.settings = unpooled()});
  auto sent = random_bytes(300);
  size_t connections = 0;
  for (size_t at = 0; at < 4000; at += 1 + random_below(60)) {
    bool forward = connections % 2 == 0, reset = connections % 4 < 2;
    Chaos chaos{.reset = reset};
    (forward ? chaos.cut_forward : chaos.cut_back) = at;
    bad.proxy.set(chaos);
    Socket socket = bad.mesh->connect();
    exchange_some(socket, sent);
    socket.close();
    close_tunnels(bad, ++connections);
  }
  bad.proxy.set({});
  Socket socket = bad.mesh->connect();
  bad.mesh->exchange(socket, 100000);
}

TEST("faults: a cut in the middle of bulk") {
  BadMesh bad(MeshOptions{.settings = unpooled()});
  auto sent = random_bytes(2000000);
  for (size_t connections = 0; connections < 12;) {
    Chaos chaos{.reset = connections % 2 == 0};
    (connections % 4 < 2 ? chaos.cut_forward : chaos.cut_back) = 4000 + random_below(1900000);
    bad.proxy.set(chaos);
    std::vector<Socket> sockets;
    for (int i = 0; i < 3; i++) sockets.push_back(bad.mesh->connect());
    std::vector<std::thread> threads;
    for (auto& socket : sockets) threads.emplace_back([&] { exchange_some(socket, sent); });
    for (auto& thread : threads) thread.join();
    sockets.clear();
    close_tunnels(bad, connections += 3);
  }
}

TEST("faults: a changed byte breaks its tunnel, and nothing false comes out") {
  constexpr size_t kHandshake = 2500;
  PodSettings settings = unpooled();
  // Where the length of a flight's last record became larger, both sides wait.
  settings.sockets.handshake_timeout = 3000;
  BadMesh bad(MeshOptions{.settings = settings});
  auto sent = random_bytes(100000);
  size_t whole = 0;
  for (size_t connections = 0; connections < 40;) {
    Chaos chaos;
    // In the handshake first, then anywhere.
    size_t at = random_below(connections < 20 ? kHandshake : 90000);
    (connections % 2 == 0 ? chaos.change_forward : chaos.change_back) = at;
    bad.proxy.set(chaos);
    Socket socket = bad.mesh->connect();
    if (exchange_some(socket, sent) == sent.size()) {
      // Nobody looks at the version of a record that is not sealed (RFC 8446 5.1), and a handshake begins with such.
      CHECK(at < kHandshake);
      whole++;
    }
    socket.close();
    close_tunnels(bad, ++connections);
  }
  CHECK(whole < 5);
}

TEST("faults: applications that end in every way beside each other") {
  PodSettings settings;
  // Less than most streams carry: where both applications die, each direction waits for the credit of the other.
  settings.http2 = {3000, 65535, 16384};
  settings.half_failed_timeout = 100;
  BadMesh bad(MeshOptions{.settings = settings, .serve = [](Socket& socket) {
                            std::vector<uint8_t> part(5000);
                            for (int turn = 0; turn < 8; turn++) {
                              ssize_t count = socket.receive(part);
                              if (count <= 0) return;
                              if (part[0] % 7 == 0) return socket.interrupt();
                              socket.send_some(Bytes(part).first(static_cast<size_t>(count)));
                            }
                          }});
  bad.proxy.set({.largest_part = 3000});
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < 12; i++) {
    threads.emplace_back([&bad, i, seed = random_source()()] {
      std::minstd_rand random(static_cast<uint32_t>(seed) + i);
      for (int round = 0; round < 6; round++) {
        Socket socket = bad.mesh->connect();
        std::vector<uint8_t> bytes(1 + random() % 40000, static_cast<uint8_t>(random()));
        std::thread sender([&] {
          socket.send_some(bytes);
          socket.finish();
        });
        uint8_t part[3000];
        for (size_t left = 1 + random() % 10; left > 0 && socket.receive(part) > 0; left--) {}
        socket.interrupt();
        sender.join();
        if (random() % 2 == 0) socket.reset();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  bad.mesh->engine.wait_closed(bad.mesh->client.id, 72);
}

}  // namespace culvert::test
