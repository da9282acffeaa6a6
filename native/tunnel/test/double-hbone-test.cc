#include "../src/engine/revocations.h"
#include "mesh.h"

// Tunnels in streams of others (docs/spec/hbone.md 1.8): what becomes of one inside leaves the outer one alone.
namespace culvert::test {

namespace {

// What `client` accepts goes through a tunnel to `gateway`, and inside it through tunnels of their own to the servers, in
// turn, and on to an application. All on one thread.
struct DoubleMesh {
  explicit DoubleMesh(const std::vector<std::shared_ptr<const TlsCredential>>& of_servers,
                      std::function<void(Socket&)> serve = echo, PodSettings given = {})
      : settings(std::move(given)), application(std::move(serve)), engine(1), gateway(open_inbound(stock())) {
    for (const auto& credential : of_servers) servers.push_back(open_inbound(credential));
    Handler handler;
    handler.connection = [this](const ConnectionAccepted&) -> std::optional<Decision> {
      Hop inner{to_text(application.at()), {}, cart(), {kStock}, kCart, "127.0.0.1"}, outer = inner;
      outer.authority = to_text(servers[connections++ % servers.size()].listeners[0]);
      return ThroughTunnel{gateway.listeners[0], std::move(outer), std::move(inner)};
    };
    client = engine.open(pod_at(ListenerRole::outbound, settings), handler);
  }

  OpenedPod open_inbound(std::shared_ptr<const TlsCredential> credential) {
    Handler handler = open_server();
    handler.credential = [credential](const CredentialWanted&) { return credential; };
    return engine.open(pod_at(ListenerRole::inbound_hbone, settings), handler);
  }
  Socket connect() const { return Socket::connect(client.listeners[0]); }
  void revoke(std::vector<std::string> lists) {
    engine.ask([lists](Engine& asked) { asked.revoke(std::make_shared<const Revocations>(lists)); });
  }
  int outer_tunnels() { return engine.heard(gateway.id).sockets_opened[ListenerRole::inbound_hbone]; }

  PodSettings settings;
  Application application;
  size_t connections = 0;  // the decision thread's
  TestEngine engine;
  OpenedPod gateway, client;
  std::vector<OpenedPod> servers;
};

// Of bulk, by its place.
uint8_t byte_at(uint64_t place) { return static_cast<uint8_t>(place * 7 + place / 251); }

// Sends bulk to who asks for it, until it is enough; to others what they say.
struct Talker {
  std::atomic<uint64_t> sent = 0;  // on all connections
  std::atomic<bool> enough = false;

  void serve(Socket& socket) {
    uint8_t asked;
    if (socket.receive({&asked, 1}) != 1) return;
    if (asked != 'd') {
      socket.send_all(Bytes{&asked, 1});
      return echo(socket);
    }
    socket.hold_little();
    std::vector<uint8_t> part(16384);
    for (uint64_t place = 0; !enough; place += part.size()) {
      for (size_t i = 0; i < part.size(); i++) part[i] = byte_at(place + i);
      size_t taken = socket.send_some(part);
      sent += taken;
      if (taken < part.size()) return;
    }
    socket.finish();
  }
};

}  // namespace

TEST("double HBONE: clients that take nothing for minutes lose neither their tunnels nor a byte") {
  // On each the outer stream's window, or the inner one's, is used up first: by chance.
  constexpr size_t kSlow = 6;
  PodSettings settings;
  settings.http2 = {262144, 16777216, 16384};
  Talker talker;
  DoubleMesh mesh({stock()}, [&](Socket& socket) { talker.serve(socket); }, settings);
  Socket quiet = mesh.connect();
  say_and_hear(quiet);
  std::vector<Socket> slow;
  for (size_t i = 0; i < kSlow; i++) {
    slow.push_back(mesh.connect());
    slow.back().hold_little();
    slow.back().send_all("d");
  }
  // Until every window and buffer on the way is full.
  uint64_t before = 0;
  for (int unchanged = 0; unchanged < 100 || before == 0; unchanged = talker.sent == before ? unchanged + 1 : 0) {
    before = talker.sent;
    say_and_hear(quiet);
  }
  for (int pings = 0; pings < 12; pings++) {
    mesh.engine.skip(10000);
    // Asked in the first turn, answered by the end of the second, at both ends.
    say_and_hear(quiet);
    say_and_hear(quiet);
  }
  CHECK_EQUAL(mesh.engine.heard(mesh.client.id).closed.size(), 0u);
  talker.enough = true;
  uint64_t received = 0, wrong = 0;
  for (auto& socket : slow) {
    uint64_t place = 0;
    for (uint8_t byte : socket.receive_all()) wrong += byte != byte_at(place++);
    CHECK(place > settings.http2.stream_window);
    received += place;
  }
  CHECK_EQUAL(wrong, 0u);
  CHECK_EQUAL(received, talker.sent);
  CHECK_EQUAL(mesh.outer_tunnels(), 1);
}

TEST("double HBONE: a peer inside that is revoked ends alone, and is not let in again") {
  Leaf leaf = authority().leaf({kStock});
  DoubleMesh mesh({credential(leaf.certificate, leaf.key, authority().pem()), stock()});
  mesh.revoke({});
  Socket revoked = mesh.connect();
  say_and_hear(revoked);
  Socket other = mesh.connect();
  say_and_hear(other);
  mesh.revoke({authority().revoke({leaf.certificate})});
  ConnectionClosed closed = mesh.engine.wait_closed(mesh.client.id, 1).closed[0];
  CHECK(closed.failure && closed.failure->code == FailureCode::revoked);
  CHECK(revoked.receive_all().empty());
  say_and_hear(other);

  Socket again = mesh.connect();
  CHECK(again.receive_all().empty());
  closed = mesh.engine.wait_closed(mesh.client.id, 2).closed[1];
  CHECK(closed.failure.has_value());
  CHECK_EQUAL(closed.failure->detail, "invalid peer certificate: Revoked");
  Socket good = mesh.connect();
  say_and_hear(good);
  say_and_hear(other);
  Heard heard = mesh.engine.heard(mesh.client.id);
  CHECK_EQUAL(heard.revoked_servers, 2);
  CHECK_EQUAL(heard.closed.size(), 2u);
  CHECK_EQUAL(mesh.outer_tunnels(), 1);
}

}  // namespace culvert::test
