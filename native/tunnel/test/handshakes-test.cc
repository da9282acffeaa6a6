#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "../src/engine/tcp-transport.h"
#include "certificates.h"
#include "check.h"

// Many peers of one thread shake hands at a time.
namespace culvert::test {

namespace {

struct Pair {
  Pair() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) throw Failed("no socket pair");
    ours = OwnedFd(ends[0]);
    peer = OwnedFd(ends[1]);
  }
  OwnedFd ours, peer;
};

bool answered(const OwnedFd& peer) {
  int bytes = 0;
  return ioctl(peer.get(), FIONREAD, &bytes) == 0 && bytes > 0;
}

std::vector<uint8_t> client_hello() {
  OpensslChannel client(*cart(), {true, {kStock}, {}, nullptr, nullptr});
  CHECK(client.handshake() == OpensslChannel::Handshake::unfinished);
  Bytes hello = client.sealed();
  return {hello.begin(), hello.end()};
}

// A server's tunnel whose peer has sent its first flight.
struct Greeted {
  Greeted(Loop& loop, Bytes hello) {
    CHECK_EQUAL(send(pair.peer.get(), hello.data(), hello.size(), 0), static_cast<ssize_t>(hello.size()));
    Tunnel::Options options{Http2Session::Role::server, stock(), {}, {}, {}, 0};
    tunnel = std::make_shared<Tunnel>(loop, std::move(options), nullptr);
    tunnel->start(std::make_unique<TcpTransport>(loop, *tunnel, std::move(pair.ours), false, [] {}));
  }
  Pair pair;
  std::shared_ptr<Tunnel> tunnel;
};

// Has something to read in every round of the loop.
struct Busy : Pollable {
  explicit Busy(std::function<void()> call) : call(std::move(call)) { again(); }
  void on_events(uint32_t) override {
    char byte;
    CHECK_EQUAL(read(pair.ours.get(), &byte, 1), 1);
    again();
    call();
  }
  void again() const { CHECK_EQUAL(write(pair.peer.get(), "x", 1), 1); }
  Pair pair;
  std::function<void()> call;
};

}  // namespace

TEST("handshakes: a storm of them leaves others their rounds, and they go in their order") {
  constexpr size_t kPeers = 60;
  Loop loop;
  auto hello = client_hello();
  std::vector<std::unique_ptr<Greeted>> peers;
  for (size_t i = 0; i < kPeers; i++) peers.push_back(std::make_unique<Greeted>(loop, hello));
  auto is_answered = [](const auto& peer) { return answered(peer->pair.peer); };
  size_t rounds_between = 0;
  bool in_order = true;
  Busy established([&] {
    auto first_waiting = std::ranges::find_if_not(peers, is_answered);
    in_order = in_order && std::none_of(first_waiting, peers.end(), is_answered);
    if (first_waiting == peers.end()) return loop.stop();
    if (first_waiting != peers.begin()) rounds_between++;
  });
  loop.watch(established.pair.ours.get(), &established);
  loop.run();
  CHECK(in_order);
  // A handshake a round, but for rounds that themselves took as long as one.
  CHECK(rounds_between > kPeers / 2);
  for (auto& peer : peers) peer->tunnel->destroy();
}

}  // namespace culvert::test
