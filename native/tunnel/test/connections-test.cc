#include <sys/resource.h>

#include <algorithm>
#include <chrono>

#include "mesh.h"

// What a data path promises, through real sockets, real TLS and two threads: docs/spec/hbone.md sections 1, 6, 7, 8.
namespace culvert::test {

namespace {

// The client sends everything at once and ends; both ends compare what came.
void carry(Mesh& mesh, size_t bytes) {
  Socket socket = mesh.connect();
  mesh.exchange(socket, bytes);
  socket.finish();
  CHECK(socket.receive_all().empty());
}

// While it lives the process gets no new descriptor.
class NoDescriptors {
 public:
  NoDescriptors() {
    getrlimit(RLIMIT_NOFILE, &before_);
    rlimit none{0, before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_;
};

std::string failure_of(const ConnectionClosed& closed) {
  return closed.failure ? std::string(name(closed.failure->code)) + ": " + closed.failure->detail : "";
}

}  // namespace

TEST("connections: directly") {
  Mesh mesh(MeshOptions{.client = Handler{[&mesh](const ConnectionAccepted&) -> std::optional<Decision> {
                                            return Direct{mesh.application.at(), "", "hello ", {}};
                                          },
                                          {},
                                          {}}});
  Socket socket = mesh.connect();
  socket.send_all("world");
  auto got = socket.receive_exactly(11);
  CHECK_EQUAL(std::string(got.begin(), got.end()), "hello world");
  mesh.exchange(socket, 3000000);
  socket.finish();
  CHECK(socket.receive_all().empty());
  auto closed = mesh.engine.wait_closed(mesh.client.id, 1).closed[0];
  CHECK_EQUAL(failure_of(closed), "");
  CHECK_EQUAL(closed.from_client, 3000005u);
  CHECK_EQUAL(closed.to_client, 3000011u);
}

TEST("connections: directly, when there is no descriptor for a pipe") {
  Mesh mesh(MeshOptions{.client = Handler{[&mesh](const ConnectionAccepted&) -> std::optional<Decision> {
                                            return Direct{mesh.application.at(), "", "", {}};
                                          },
                                          {},
                                          {}}});
  Socket socket = mesh.connect();
  mesh.exchange(socket, 1000);
  size_t before = open_descriptors();
  {
    NoDescriptors none;
    mesh.exchange(socket, 30000000);
  }
  CHECK_EQUAL(open_descriptors(), before);
  // And in pipes again, when there are some.
  mesh.exchange(socket, 30000000);
  CHECK(open_descriptors() > before);
  socket.finish();
  CHECK(socket.receive_all().empty());
  CHECK_EQUAL(failure_of(mesh.engine.wait_closed(mesh.client.id, 1).closed[0]), "");
}

TEST("connections: through a tunnel") {
  Mesh mesh;
  for (size_t bytes : {1ul, 16383ul, 16384ul, 16385ul, 100000ul, 5000000ul}) carry(mesh, bytes);
  Heard client = mesh.engine.wait_closed(mesh.client.id, 6), server = mesh.engine.wait_closed(mesh.server.id, 6);
  for (const auto& closed : client.closed) CHECK_EQUAL(failure_of(closed), "");
  CHECK_EQUAL(client.closed[5].from_client, 5000000u);
  CHECK_EQUAL(server.closed[5].to_client, 5000000u);
  CHECK_EQUAL(client.opened[0].peer_identity, kStock);
  CHECK_EQUAL(client.opened[0].baggage.at(0), "service.name=stock");
  CHECK_EQUAL(server.streams[0].peer_identity, kCart);
  CHECK_EQUAL(server.streams[0].method, "CONNECT");
  CHECK_EQUAL(server.sockets_opened[ListenerRole::inbound_hbone], 1);
}

TEST("connections: many at a time") {
  Mesh mesh(MeshOptions{.threads = 3});
  std::vector<std::thread> threads;
  std::vector<std::string> failures(24);
  for (size_t i = 0; i < failures.size(); i++) {
    threads.emplace_back([&, i] {
      try {
        // Not `exchange`: a thread of its own may not draw from the test's random source.
        Socket socket = mesh.connect();
        std::vector<uint8_t> sent(200000 + i * 1000);
        for (size_t at = 0; at < sent.size(); at++) sent[at] = static_cast<uint8_t>(at * (i + 1) >> 3);
        std::thread sender([&] { socket.send_some(sent); });
        auto got = socket.receive_exactly(sent.size());
        sender.join();
        if (got != sent) failures[i] = "other bytes";
      } catch (const std::exception& error) {
        failures[i] = error.what();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& failure : failures) CHECK_EQUAL(failure, "");
  mesh.engine.wait_closed(mesh.client.id, failures.size());
}

TEST("connections: a half-close leaves the other direction") {
  Mesh mesh(MeshOptions{.serve = [](Socket& socket) {
    auto asked = socket.receive_all();
    std::vector<uint8_t> answer(asked.size() * 10, 'a');
    socket.send_some(answer);
  }});
  Socket socket = mesh.connect();
  socket.send_all(random_bytes(100000));
  socket.finish();
  CHECK_EQUAL(socket.receive_all().size(), 1000000u);
  CHECK_EQUAL(failure_of(mesh.engine.wait_closed(mesh.client.id, 1).closed[0]), "");
}

TEST("connections: a reset ends them") {
  Mesh mesh;
  Socket socket = mesh.connect();
  mesh.exchange(socket, 1000);
  socket.reset();
  mesh.engine.wait_closed(mesh.client.id, 1);
  mesh.engine.wait_closed(mesh.server.id, 1);
  carry(mesh, 1000);
}

TEST("connections: refusals") {
  Endpoint gone = nobody();
  Mesh mesh(MeshOptions{
      .server = Handler{{},
                        [&, step = 0](const StreamRequested&) mutable -> std::optional<Decision> {
                          if (step++ == 0) return Answer{403};
                          return Direct{gone, "", "", {}};
                        },
                        [](const CredentialWanted&) { return stock(); }}});
  size_t count = 0;
  for (const char* status : {"STATUS: 403", "STATUS: 503"}) {
    Socket socket = mesh.connect();
    CHECK(socket.receive_all().empty());
    CHECK_EQUAL(failure_of(mesh.engine.wait_closed(mesh.client.id, ++count).closed.back()), status);
  }
  auto failed = mesh.engine.wait_closed(mesh.server.id, 2).closed[1];
  CHECK_EQUAL(failure_of(failed), "CONNECTION_FAILED: Connection refused (os error 111)");
}

TEST("connections: a server that is somebody else") {
  Mesh mesh(MeshOptions{.change = [](ThroughTunnel& tunnel) { tunnel.outer.expected_identities = {kCart}; }});
  Socket socket = mesh.connect();
  CHECK(socket.receive_all().empty());
  auto failure = failure_of(mesh.engine.wait_closed(mesh.client.id, 1).closed[0]);
  CHECK(failure.find("peer did not present the expected SAN (" + std::string(kCart) + "), got " + kStock) != failure.npos);
  mesh.engine.wait(mesh.server.id, "the handshake's failure", [](const Heard& heard) { return !heard.handshake_failures.empty(); });
}

TEST("connections: a tunnel within a tunnel") {
  Endpoint waypoint;
  Mesh mesh(MeshOptions{.change = [&](ThroughTunnel& tunnel) {
    tunnel.inner = tunnel.outer;
    tunnel.outer.authority = to_text(waypoint);
  }});
  waypoint = mesh.server.listeners[0];
  carry(mesh, 100000);
  carry(mesh, 3000000);
  Heard server = mesh.engine.wait_closed(mesh.server.id, 4);
  for (const auto& closed : server.closed) CHECK_EQUAL(failure_of(closed), "");
}

TEST("connections: windows and frames as small as they may be") {
  for (uint32_t window : {1u, 100u, 20000u}) {
    PodSettings settings;
    settings.http2 = {window, 65535, 16384};
    Mesh mesh(MeshOptions{.settings = settings});
    carry(mesh, window == 1 ? 300 : 100000);
    CHECK_EQUAL(failure_of(mesh.engine.wait_closed(mesh.client.id, 1).closed[0]), "");
  }
}

// Alone, and long enough for the largest reads: one takes more than fits in the smallest frames at once. Afterwards the
// connection is as small as before.
TEST("connections: bulk in the smallest and the largest frames") {
  const auto block = random_bytes(999983);
  constexpr int kBlocks = 60;
  auto take_bulk = [&](Socket& socket) {
    bool same = true;
    for (int i = 0; i < kBlocks; i++) same = std::ranges::equal(socket.receive_exactly(block.size()), block) && same;
    socket.send_all(same ? "y" : "n");
    socket.receive_all();
  };
  for (uint32_t frame : {16384u, 1048576u}) {
    PodSettings settings;
    settings.http2.max_frame_size = frame;
    Mesh mesh(MeshOptions{.settings = settings, .serve = take_bulk});
    Socket socket = mesh.connect();
    for (int i = 0; i < kBlocks; i++) socket.send_all(block);
    CHECK_EQUAL(static_cast<char>(socket.receive_exactly(1)[0]), 'y');
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (mesh.engine.buffered_bytes() > 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    CHECK_EQUAL(mesh.engine.buffered_bytes(), 0u);
    socket.finish();
    CHECK(socket.receive_all().empty());
    CHECK_EQUAL(failure_of(mesh.engine.wait_closed(mesh.client.id, 1).closed[0]), "");
  }
}

TEST("connections: a slow reader holds up nobody else") {
  PodSettings settings;
  settings.http2 = {65536, 16777216, 16384};
  Mesh mesh(MeshOptions{.settings = settings});
  Socket slow = mesh.connect();
  auto sent = random_bytes(20000000);
  std::thread sender([&] { slow.send_some(sent); });
  carry(mesh, 1000000);
  auto got = slow.receive_exactly(sent.size());
  sender.join();
  CHECK(std::ranges::equal(got, sent));
}

}  // namespace culvert::test
