#include "refused-watch.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "mesh.h"

// Whatever descriptor the kernel will not watch (epoll_ctl(2)), only what it is for fails, and its pod says why.
namespace culvert::test {

namespace {

constexpr const char* kNoSpace = "No space left on device (os error 28)";

size_t reasons(const Heard& heard) {
  std::vector<std::string> texts = heard.handshake_failures;
  texts.insert(texts.end(), heard.warnings.begin(), heard.warnings.end());
  for (const auto& closed : heard.closed) texts.push_back(closed.failure ? closed.failure->detail : "");
  return static_cast<size_t>(
      std::ranges::count_if(texts, [](const auto& text) { return text.find(kNoSpace) != std::string::npos; }));
}

bool gets_an_echo(Socket socket, const std::string& text) {
  socket.send_some({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  socket.finish();
  auto got = socket.receive_all();
  return std::string(got.begin(), got.end()) == text;
}

// Refuses to watch the first descriptor of what `attempt` opens, then the second, until it has opened no other. Each time
// it fails, pods say why once more, and in the end nothing is left open. How many descriptors there were. `attempt`: true
// when it got through.
int refuse_each(TestEngine& engine, const std::vector<PodId>& pods, const std::function<bool()>& attempt) {
  auto said = [&] {
    size_t count = 0;
    for (PodId pod : pods) count += reasons(engine.heard(pod));
    return count;
  };
  auto open = [&] {
    int count = 0;
    for (PodId pod : pods) {
      for (auto [_, sockets] : engine.heard(pod).sockets_open) count += sockets;
    }
    return count;
  };
  const size_t descriptors = open_descriptors();
  const int sockets = open();
  for (int place = 0;; place++) {
    const size_t before = said();
    RefusedWatch refused(place, ENOSPC);
    bool through = attempt();
    for (int patience = 0; (open_descriptors() > descriptors || open() > sockets) && patience < 20000; patience++) usleep(1000);
    CHECK_EQUAL(open_descriptors(), descriptors);
    CHECK_EQUAL(open(), sockets);
    CHECK_EQUAL(refused.happened(), !through);
    CHECK_EQUAL(said() > before, !through);
    if (through) return place;
    // Refusals are told of at most once a second.
    engine.skip(1000);
  }
}

}  // namespace

TEST("refused watches: through a tunnel, at either end") {
  PodSettings settings;
  settings.pool.unused_release = 1;
  size_t number = 0;
  Mesh mesh(MeshOptions{.settings = settings, .change = [&](ThroughTunnel& tunnel) {
                          // A tunnel for each connection.
                          tunnel.outer.application_ip = "10.0.0." + std::to_string(++number);
                        }});
  Socket other = mesh.connect();
  say_and_hear(other);
  size_t connections = 0;
  int places = refuse_each(mesh.engine, {mesh.client.id, mesh.server.id}, [&] {
    bool through = gets_an_echo(mesh.connect(), "hello");
    CHECK_EQUAL(!mesh.engine.wait_closed(mesh.client.id, ++connections).closed.back().failure, through);
    say_and_hear(other);
    return through;
  });
  // The dial to the server, its tunnel, its dial to the application, and the client's application.
  CHECK_EQUAL(places, 4);
}

TEST("refused watches: without a tunnel, for an application and a SOCKS5 client") {
  Application application(echo);
  TestEngine engine;
  Handler handler;
  handler.connection = [&](const ConnectionAccepted&) { return Direct{application.at(), "", "", {}}; };
  handler.socks5 = [&](const Socks5Requested&) { return Direct{application.at(), "", "", {}}; };
  OpenedPod direct = engine.open(pod_at(ListenerRole::outbound), handler);
  OpenedPod socks5 = engine.open(pod_at(ListenerRole::socks5), handler);
  Socket other = Socket::connect(direct.listeners[0]);
  say_and_hear(other);
  int places = refuse_each(engine, {direct.id, socks5.id}, [&] {
    bool through = gets_an_echo(Socket::connect(direct.listeners[0]), "hello");
    say_and_hear(other);
    return through;
  });
  // The dial, and who asked for it.
  CHECK_EQUAL(places, 2);
  places = refuse_each(engine, {direct.id, socks5.id}, [&] {
    Socket socket = Socket::connect(socks5.listeners[0]);
    const std::string said("\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50hello", 18);
    const std::string replies("\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12);
    socket.send_some({reinterpret_cast<const uint8_t*>(said.data()), said.size()});
    socket.finish();
    auto got = socket.receive_all();
    say_and_hear(other);
    return std::string(got.begin(), got.end()) == replies + "hello";
  });
  CHECK_EQUAL(places, 3);
}

TEST("refused watches: a listener, which is named, and refuses who comes") {
  Mesh mesh;
  Socket other = mesh.connect();
  say_and_hear(other);
  OpenedPod deaf;
  {
    // As for a descriptor that has no events to wait for.
    RefusedWatch refused(0, EPERM);
    deaf = mesh.engine.open(pod_at(ListenerRole::inbound_plaintext), Handler{});
    Heard heard = mesh.engine.wait(deaf.id, "a warning", [](const Heard& heard) { return !heard.warnings.empty(); });
    CHECK_EQUAL(heard.warnings[0], "the inbound-plaintext listener at " + to_text(deaf.listeners[0]) +
                                       " cannot be watched, and accepts nobody: Operation not permitted (os error 1)");
  }
  bool refused = false;
  try {
    Socket::connect(deaf.listeners[0]);
  } catch (const Failed&) {
    refused = true;
  }
  CHECK(refused);
  mesh.engine.ask([id = deaf.id](Engine& engine) { engine.close(id); });
  mesh.engine.wait(deaf.id, "its end", [](const Heard& heard) { return heard.ended.has_value(); });
  say_and_hear(other);
  Socket another = mesh.connect();
  say_and_hear(another);
}

}  // namespace culvert::test
