#include "chaos-proxy.h"

#include <sys/socket.h>

#include <algorithm>

#include "check.h"

namespace culvert::test {

namespace {

// One direction, on a thread of its own. A cut ends both sides at once.
void pump(Socket& from, Socket& to, const Chaos& chaos, size_t cut, size_t change, uint32_t seed,
          const std::atomic<bool>& silent) {
  std::minstd_rand random(seed);
  std::vector<uint8_t> buffer(65536);
  size_t done = 0;
  while (done < cut) {
    ssize_t count = from.receive(buffer);
    if (count <= 0) {
      to.finish();
      return;
    }
    if (silent) continue;
    Bytes left = Bytes(buffer).first(std::min(static_cast<size_t>(count), cut - done));
    if (change >= done && change - done < left.size()) buffer[change - done] ^= 1;
    done += left.size();
    while (!left.empty()) {
      size_t part = std::min(left.size(), 1 + random() % chaos.largest_part);
      if (to.send_some(left.first(part)) < part) return from.interrupt();
      left = left.subspan(part);
    }
  }
  for (Socket* socket : {&from, &to}) {
    // Closing a descriptor that the other direction waits for is no way to end it: the option makes the late close a reset.
    linger at_once{1, 0};
    if (chaos.reset) setsockopt(socket->fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    socket->interrupt();
  }
}

}  // namespace

ChaosProxy::ChaosProxy()
    : seed_(static_cast<uint32_t>(random_source()())),
      application_(std::make_unique<Application>([this](Socket& client) { serve(client); })) {}

void ChaosProxy::lead_to(const Endpoint& to) {
  std::lock_guard lock(mutex_);
  to_ = to;
}

void ChaosProxy::set(Chaos chaos) {
  std::lock_guard lock(mutex_);
  chaos_ = chaos;
}

void ChaosProxy::serve(Socket& client) {
  Chaos chaos;
  Endpoint to;
  uint32_t seed;
  {
    std::lock_guard lock(mutex_);
    chaos = chaos_;
    to = to_;
    seed = ++seed_;
  }
  Socket server = Socket::connect(to);
  std::thread back([&] {
    try {
      pump(server, client, chaos, chaos.cut_back, chaos.change_back, seed * 2 + 1, silent_);
    } catch (const Failed&) {
      client.interrupt();
    }
  });
  try {
    pump(client, server, chaos, chaos.cut_forward, chaos.change_forward, seed * 2, silent_);
  } catch (const Failed&) {
    server.interrupt();
  }
  back.join();
  if (chaos.reset) client.close();
}

}  // namespace culvert::test
