#include <sys/socket.h>

#include "../src/engine/socks5-handshake.h"
#include "mesh.h"

// The SOCKS5 listener (hbone section 5): its handshake between the accept and the question.
namespace culvert::test {

namespace {

const std::string kGreeting("\x05\x01\x00", 3);

std::string request_for(const Endpoint& to) {
  std::string request("\x05\x01\x00\x01\x7f\x00\x00\x01", 8);
  return request + static_cast<char>(to.port >> 8) + static_cast<char>(to.port);
}

std::string receive(Socket& socket, size_t count) {
  auto got = socket.receive_exactly(count);
  return {got.begin(), got.end()};
}

struct Scene {
  explicit Scene(SocketSettings sockets = {}) : application(echo) {
    PodSettings settings;
    settings.sockets = sockets;
    Handler handler;
    handler.socks5 = [](const Socks5Requested& asked) -> std::optional<Decision> {
      if (asked.is_name) return Refuse{std::nullopt, 4};
      return Direct{{asked.host, asked.port}, "", "", {}};
    };
    pod = engine.open(pod_at(ListenerRole::socks5, settings), handler);
  }
  Socket connect() { return Socket::connect(pod.listeners[0]); }

  Application application;
  TestEngine engine;
  OpenedPod pod;
};

}  // namespace

TEST("socks5: any cut of the bytes, with data right behind the request") {
  Scene scene;
  for (size_t step : {1ul, 2ul, 5ul, 100ul}) {
    Socket socket = scene.connect();
    std::string all = kGreeting + request_for(scene.application.at()) + "early";
    for (size_t at = 0; at < all.size(); at += step) socket.send_all(all.substr(at, step));
    CHECK_EQUAL(receive(socket, 2), std::string("\x05\x00", 2));
    CHECK_EQUAL(receive(socket, 10), std::string("\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00", 10));
    CHECK_EQUAL(receive(socket, 5), "early");
    socket.finish();
    CHECK(socket.receive_all().empty());
  }
  CHECK_EQUAL(scene.engine.wait_closed(scene.pod.id, 4).closed[3].from_client, 5u);
}

TEST("socks5: a refusal reaches the client, although it sent more than was read") {
  Scene scene;
  Socket socket = scene.connect();
  socket.send_all(std::string("\x04\x01", 2) + std::string(20000, 'x'));
  CHECK_EQUAL(receive(socket, 10), std::string("\x05\x07\x00\x01\x00\x00\x00\x00\x00\x00", 10));
  Socket named = scene.connect();
  named.send_all(kGreeting + std::string("\x05\x01\x00\x03\x01\xff\x00\x50", 8));
  CHECK_EQUAL(receive(named, 12).substr(2), std::string("\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00", 10));
  scene.engine.wait_closed(scene.pod.id, 1);
  Heard heard = scene.engine.wait(scene.pod.id, "a warning", [](const Heard& all) { return !all.warnings.empty(); });
  CHECK_EQUAL(heard.warnings[0], "refused a SOCKS5 client: unsupported version 4");
}

TEST("socks5: a request that never comes") {
  Scene scene(SocketSettings{.handshake_timeout = 50});
  Socket socket = scene.connect();
  socket.send_all(kGreeting);
  CHECK_EQUAL(receive(socket, 12).substr(2), std::string("\x05\x01\x00\x01\x00\x00\x00\x00\x00\x00", 10));
  CHECK(socket.receive_all().empty());
}

TEST("socks5: a pod that drains or closes lets go of clients that have not asked") {
  for (bool drain : {true, false}) {
    Scene scene;
    Socket socket = scene.connect();
    socket.send_all(kGreeting);
    CHECK_EQUAL(receive(socket, 2), std::string("\x05\x00", 2));
    scene.engine.ask([&](Engine& engine) { drain ? engine.drain(scene.pod.id) : engine.close(scene.pod.id); });
    CHECK(socket.receive_all().empty());
    scene.engine.wait(scene.pod.id, "the end", [](const Heard& heard) { return heard.ended.has_value(); });
  }
}

// A pod that closes does so among the events, behind which the timers of the same round are looked at.
TEST("socks5: nobody hears of a client that was let go while its time ran out") {
  Loop loop;
  int ends[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
  OwnedFd client(ends[1]);
  bool heard = false;
  auto handshake = std::make_shared<Socks5Handshake>(loop, OwnedFd(ends[0]), Endpoint{}, 1,
                                                     [&](std::optional<std::string>) { heard = true; });
  loop.post([&] {
    for (int64_t begun = now(); now() - begun < 5;) continue;
    handshake->take();
    loop.retire(std::move(handshake));
    loop.stop();
  });
  loop.wake();
  loop.run();
  CHECK(!heard);
}

}  // namespace culvert::test
