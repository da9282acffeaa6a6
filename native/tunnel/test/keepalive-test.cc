#include <chrono>
#include <future>

#include "chaos-proxy.h"
#include "mesh.h"
#include "raw-client.h"

// PINGs (docs/spec/hbone.md 1.7): 10 s after the start and after each answer; a peer has 20 s for one. All on one thread.
namespace culvert::test {

namespace {

// A connection without a tunnel on the thread of an engine: what it echoes, it does after everything that was due.
class Bystander {
 public:
  explicit Bystander(TestEngine& engine)
      : socket_(Socket::connect(engine
                                    .open(pod_at(ListenerRole::outbound),
                                          {[this](const ConnectionAccepted&) { return Direct{application_.at(), "", "", {}}; },
                                           {},
                                           {}})
                                    .listeners[0])) {}

  void say_and_hear() { culvert::test::say_and_hear(socket_); }

 private:
  Application application_{echo};
  Socket socket_;
};

int open_tunnels(TestEngine& engine, const OpenedPod& server) {
  return engine.heard(server.id).sockets_open[ListenerRole::inbound_hbone];
}

}  // namespace

TEST("keepalive: a tunnel at rest lives while its peer answers, and 20 s longer") {
  ChaosProxy proxy;
  Mesh mesh(MeshOptions{.threads = 1, .way = [&](const Endpoint& server) {
                          proxy.lead_to(server);
                          return proxy.at();
                        }});
  Bystander bystander(mesh.engine);
  Socket socket = mesh.connect();
  mesh.exchange(socket, 1000);
  for (int pings = 0; pings < 5; pings++) {
    mesh.engine.skip(10000);
    // Asked before the first is carried, answered by the end of the second, at both ends.
    mesh.exchange(socket, 1);
    mesh.exchange(socket, 1);
  }
  CHECK_EQUAL(mesh.engine.heard(mesh.server.id).sockets_opened[ListenerRole::inbound_hbone], 1);
  proxy.silence();
  for (int64_t step : {10000, 15000}) {
    mesh.engine.skip(step);
    bystander.say_and_hear();
    bystander.say_and_hear();
    CHECK_EQUAL(open_tunnels(mesh.engine, mesh.server), 1);
  }
  mesh.engine.skip(5000);
  CHECK(socket.receive_all().empty());
  socket.finish();
  mesh.engine.wait_closed(mesh.client.id, 1);
  mesh.engine.wait(mesh.server.id, "the tunnel's end", [](const Heard& heard) {
    return heard.sockets_open.at(ListenerRole::inbound_hbone) == 0;
  });
}

namespace {

// A peer that fills the engine's memory for an application which takes nothing, so that its tunnel is not read.
struct FullTunnel {
  static constexpr uint64_t kLimit = 1024 * 1024;
  // More than the kernel holds between two sockets (net.ipv4.tcp_wmem).
  static constexpr size_t kBytes = 12 * 1024 * 1024, kFrame = 16384;

  FullTunnel() {
    peer.socket.send_all(peer.seal_connect(1, application.at()));
    peer.receive(FrameType::headers);
    std::vector<uint8_t> part(kFrame, 'x'), bulk;
    for (size_t sent = 0; sent < kBytes; sent += kFrame) {
      auto sealed = peer.seal(FrameType::data, 0, 1, part);
      bulk.insert(bulk.end(), sealed.begin(), sealed.end());
    }
    sender = std::thread([this, bulk = std::move(bulk)] { peer.socket.send_some(bulk); });
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (engine.buffered_bytes() < kLimit && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  }
  ~FullTunnel() {
    if (!opened) gate.set_value();
    peer.socket.interrupt();
    if (sender.joinable()) sender.join();
  }

  // The application takes everything.
  void let_go() {
    opened = true;
    gate.set_value();
    sender.join();
  }
  void end_stream() {
    peer.socket.send_all(peer.seal(FrameType::data, flag::end_stream, 1, {}));
    engine.wait_closed(server.id, 1);
    CHECK_EQUAL(taken, kBytes);
  }

  std::promise<void> gate;
  std::shared_future<void> open_gate = gate.get_future().share();
  bool opened = false;
  std::atomic<size_t> taken = 0;
  Application application{[this](Socket& socket) {
    open_gate.wait();
    taken += socket.receive_all().size();
  }};
  TestEngine engine{1, {.buffered_bytes = kLimit}};
  PodSettings settings{.http2 = {16 * 1024 * 1024, 32 * 1024 * 1024, kFrame}};
  OpenedPod server = engine.open(pod_at(ListenerRole::inbound_hbone, settings), open_server());
  Bystander bystander{engine};
  RawClient peer{server.listeners[0]};
  std::thread sender;
};

// The answer to a PING may have come and stand behind what is not read: that a peer is gone shows only afterwards.
void stay_unread(FullTunnel& full) {
  CHECK(full.engine.buffered_bytes() >= FullTunnel::kLimit);
  for (int turn = 0; turn < 5; turn++) {
    full.engine.skip(20000);
    full.bystander.say_and_hear();
    full.bystander.say_and_hear();
    CHECK_EQUAL(open_tunnels(full.engine, full.server), 1);
  }
  CHECK(full.engine.heard(full.server.id).closed.empty());
}

void expect_goaway(FullTunnel& full) {
  RawClient::Frame goaway = full.peer.receive(FrameType::goaway);
  CHECK_EQUAL(get_u32(goaway.payload.data() + 4), static_cast<uint32_t>(Http2Error::no_error));
  full.peer.socket.receive_all();
}

}  // namespace

TEST("keepalive: a peer that is not read for want of memory has its 20 s when it is read again") {
  FullTunnel full;
  full.engine.skip(10000);
  auto ping = full.peer.receive(FrameType::ping);
  stay_unread(full);
  full.let_go();
  full.peer.socket.send_all(full.peer.seal(FrameType::ping, flag::ack, 0, ping.payload));
  full.end_stream();
  // And 10 s later the next, as ever, which is not answered.
  full.engine.skip(10000);
  full.peer.receive(FrameType::ping);
  full.engine.skip(15000);
  full.bystander.say_and_hear();
  full.bystander.say_and_hear();
  CHECK_EQUAL(open_tunnels(full.engine, full.server), 1);
  full.engine.skip(5000);
  expect_goaway(full);
}

TEST("keepalive: a peer that had gone while it was not read for want of memory is given up afterwards") {
  FullTunnel full;
  full.engine.skip(10000);
  full.peer.receive(FrameType::ping);
  stay_unread(full);
  full.let_go();
  full.end_stream();
  full.engine.skip(20000);
  expect_goaway(full);
}

}  // namespace culvert::test
