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

// What a connection or tunnel may hold, each way, while more is buffered than may be in all: those whose bytes are taken
// go on, a little at a time.
inline constexpr size_t kHeldWhenShort = 16 * 1024;

// How much of that there is. At a limit new work is refused; what has begun goes on. While too many bytes are buffered,
// who holds some is not read any further: an application with a tunnel that does not take what it said, a tunnel with
// streams whose applications do not (docs/departures.md). What is held drains without anything being read, so this ends
// when the slow ones read. The limit is exceeded by what is under way when it is reached: one read for each thread, and
// twice `kHeldWhenShort`, in blocks, for each connection and tunnel.
class Load {
 public:
  explicit Load(Limits limits) : limits_(limits) {}

  // Empty: taken on, until the matching `leave`. Else the reason why not, for the log.
  std::string enter_connection() { return enter(connections_, limits_.connections, "connections are open"); }
  void leave_connection() { connections_.fetch_sub(1, std::memory_order_relaxed); }
  std::string enter_stream() { return enter(streams_, limits_.streams, "streams are open"); }
  void leave_stream() { streams_.fetch_sub(1, std::memory_order_relaxed); }

  bool buffers_full() const { return limits_.buffered_bytes != 0 && buffered_bytes() >= limits_.buffered_bytes; }
  uint64_t buffered_bytes() const;

  // One counter for each data thread, so that they do not fight for a cache line (`count_blocks_in`).
  std::atomic<int64_t>& thread_bytes();

 private:
  struct alignas(64) Counter {
    std::atomic<int64_t> bytes = 0;
  };

  std::string enter(std::atomic<uint64_t>& count, uint64_t limit, const char* what);

  const Limits limits_;
  std::atomic<uint64_t> connections_ = 0, streams_ = 0;
  std::deque<Counter> threads_;  // all made before the first thread runs
};

}  // namespace culvert
