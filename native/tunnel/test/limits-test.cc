#include <chrono>
#include <future>

#include "mesh.h"

// What is held for those who do not take it, against `Limits::buffered_bytes`.
namespace culvert::test {

namespace {

constexpr uint64_t kLimit = 4 * 1024 * 1024;
constexpr size_t kSlow = 6, kThreads = 2, kBytes = 12 * 1024 * 1024;

// `kHeldWhenShort` twice, both ways and in blocks, at both ends; and what one read of each thread brings, in blocks.
constexpr uint64_t kSlack = (kSlow + 1) * 2 * 192 * 1024 + kThreads * 2 * 1024 * 1024;

// FNV-1a.
uint64_t checksum(Bytes bytes, uint64_t sum = 14695981039346656037u) {
  for (uint8_t byte : bytes) sum = (sum ^ byte) * 1099511628211u;
  return sum;
}

// Of a connection's bulk, in parts.
void for_bulk(uint8_t seed, const std::function<bool(Bytes part)>& call) {
  std::vector<uint8_t> part(64 * 1024);
  for (size_t done = 0; done < kBytes; done += part.size()) {
    for (size_t i = 0; i < part.size(); i++) part[i] = static_cast<uint8_t>(seed + i + (done + i) / 251);
    if (!call(part)) return;
  }
}

void send_bulk(Socket& socket, uint8_t seed) {
  for_bulk(seed, [&](Bytes part) { return socket.send_some(part) == part.size(); });
}

uint64_t checksum_of_bulk(uint8_t seed) {
  uint64_t sum = checksum({});
  for_bulk(seed, [&](Bytes part) {
    sum = checksum(part, sum);
    return true;
  });
  return sum;
}

uint64_t receive_checksum(Socket& socket) {
  std::vector<uint8_t> part(256 * 1024);
  uint64_t sum = checksum({});
  for (size_t left = kBytes; left > 0;) {
    ssize_t count = socket.receive(Room(part).first(std::min(left, part.size())));
    if (count <= 0) throw Failed(std::to_string(left) + " bytes never came");
    sum = checksum(Bytes(part).first(static_cast<size_t>(count)), sum);
    left -= static_cast<size_t>(count);
  }
  return sum;
}

// By the first byte that comes: 'u' takes nothing of what follows until the gate opens and then answers with its
// checksum, 'd' sends bulk at once, everything else is echoed.
struct SlowApplication {
  std::promise<void> gate;
  std::shared_future<void> opened = gate.get_future().share();

  void serve(Socket& socket) {
    uint8_t first[2];
    if (socket.receive(Room(first).first(1)) != 1) return;
    if (first[0] == 'd') {
      if (socket.receive(Room(first).first(1)) == 1) send_bulk(socket, first[0]);
      socket.finish();
    } else if (first[0] == 'u') {
      opened.wait();
      uint64_t sum = receive_checksum(socket);
      socket.send_some({reinterpret_cast<const uint8_t*>(&sum), sizeof sum});
      socket.finish();
    } else {
      echo(socket);
    }
  }
};

// Runs until its end, and remembers the most that it saw.
class Highest {
 public:
  explicit Highest(const TestEngine& engine) : thread_([this, &engine] {
    while (!over_) {
      highest_ = std::max<uint64_t>(highest_, engine.buffered_bytes());
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }) {}
  ~Highest() {
    over_ = true;
    thread_.join();
  }
  uint64_t so_far() const { return highest_; }

 private:
  std::atomic<bool> over_ = false;
  std::atomic<uint64_t> highest_ = 0;
  std::thread thread_;
};

void hold_within_limit(char way) {
  SlowApplication slow;
  size_t number = 0;
  Mesh mesh(MeshOptions{.threads = kThreads,
                        .limits = {.buffered_bytes = kLimit},
                        .serve = [&](Socket& socket) { slow.serve(socket); },
                        // A tunnel for each connection, so that none waits for another's.
                        .change = [&](ThroughTunnel& tunnel) {
                          tunnel.outer.application_ip = "10.0.0." + std::to_string(++number);
                        }});
  Socket quiet = mesh.connect();
  quiet.send_all("q");
  // Else whoever came later might be refused.
  std::vector<Socket> sockets;
  for (size_t i = 0; i < kSlow; i++) sockets.push_back(mesh.connect());
  mesh.engine.wait(mesh.client.id, "connections", [](const Heard& heard) { return heard.opened.size() == kSlow + 1; });
  Highest highest(mesh.engine);
  std::vector<std::thread> threads;
  std::vector<uint64_t> sums(kSlow);
  for (size_t i = 0; i < kSlow; i++) {
    threads.emplace_back([&, i] {
      const auto seed = static_cast<uint8_t>('A' + i);
      try {
        if (way == 'u') {
          sockets[i].send_all("u");
          send_bulk(sockets[i], seed);
          auto sum = sockets[i].receive_exactly(sizeof sums[i]);
          std::memcpy(&sums[i], sum.data(), sum.size());
        } else {
          const uint8_t ask[] = {'d', seed};
          sockets[i].send_all(ask);
          slow.opened.wait();
          sums[i] = receive_checksum(sockets[i]);
        }
      } catch (const Failed&) {
        sums[i] = 0;
      }
    });
  }
  std::string problem;
  try {
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (mesh.engine.buffered_bytes() < kLimit && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    CHECK(highest.so_far() >= kLimit || mesh.engine.buffered_bytes() >= kLimit);
    for (int turn = 0; turn < 200; turn++) {
      quiet.send_all(std::string(1, static_cast<char>('a' + turn % 26)));
      auto got = quiet.receive_exactly(1);
      CHECK_EQUAL(static_cast<char>(got.back()), static_cast<char>('a' + turn % 26));
    }
    CHECK(highest.so_far() <= kLimit + kSlack);
  } catch (const Failed& failure) {
    problem = failure.what();
  }
  slow.gate.set_value();
  for (auto& thread : threads) thread.join();
  if (!problem.empty()) throw Failed(problem);
  for (size_t i = 0; i < kSlow; i++) CHECK_EQUAL(sums[i], checksum_of_bulk(static_cast<uint8_t>('A' + i)));
  CHECK(highest.so_far() <= kLimit + kSlack);
}

}  // namespace

TEST("limits: bytes for slow applications behind fast peers stay within their limit") { hold_within_limit('u'); }

TEST("limits: bytes for slow clients of fast applications stay within their limit") { hold_within_limit('d'); }

}  // namespace culvert::test
