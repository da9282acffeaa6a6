#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <string>

namespace culvert {

// What one engine takes on, over all its pods and threads; 0: no limit.
struct Limits {
  uint64_t connections = 0;     // accepted sockets: captured connections, and tunnels from other nodes
  uint64_t streams = 0;         // CONNECT streams in tunnels from other nodes
  uint64_t buffered_bytes = 0;  // held in user space, for whoever does not take them
};

// How much of that there is. At a limit new work is refused; what has begun goes on.
class Load {
 public:
  explicit Load(Limits limits) : limits_(limits) {}

  // Empty: taken on, until the matching `leave`. Else the reason why not, for the log.
  std::string enter_connection() { return enter(connections_, limits_.connections, "connections are open"); }
  void leave_connection() { connections_.fetch_sub(1, std::memory_order_relaxed); }
  std::string enter_stream() { return enter(streams_, limits_.streams, "streams are open"); }
  void leave_stream() { streams_.fetch_sub(1, std::memory_order_relaxed); }

  bool buffers_full() const { return limits_.buffered_bytes != 0 && buffered_bytes() >= limits_.buffered_bytes; }

  // One counter for each data thread, so that they do not fight for a cache line (`count_blocks_in`).
  std::atomic<int64_t>& thread_bytes();

 private:
  struct alignas(64) Counter {
    std::atomic<int64_t> bytes = 0;
  };

  std::string enter(std::atomic<uint64_t>& count, uint64_t limit, const char* what);
  uint64_t buffered_bytes() const;

  const Limits limits_;
  std::atomic<uint64_t> connections_ = 0, streams_ = 0;
  std::deque<Counter> threads_;  // all made before the first thread runs
};

}  // namespace culvert
