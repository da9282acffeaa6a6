#pragma once
#include <sys/epoll.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "clock.h"
#include "frame-output.h"
#include "sockets.h"

namespace culvert {

// What owns a descriptor in the epoll set.
class Pollable {
 public:
  virtual ~Pollable() = default;
  virtual void on_events(uint32_t events) = 0;
};

class Load;
class Loop;
class Revocations;

// Whether a thread uses all that a CPU has, by looks at its times at least a second apart, in milliseconds.
class CpuMeter {
 public:
  bool due(int64_t wall) const { return wall - wall_ >= kSpell; }
  // Time that passed, time that it computed. True when it did little else over two spells: one may be a burst.
  bool overloaded(int64_t wall, int64_t cpu);

 private:
  static constexpr int64_t kSpell = 1000;
  int64_t wall_ = 0, cpu_ = 0;
  int busy_spells_ = 0;
};

// A call that runs once per round however often it is asked for. Ends with its owner.
class Deferred {
 public:
  Deferred(Loop& loop, std::function<void()> call) : loop_(loop), call_(std::move(call)) {}
  ~Deferred();
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;

  // Before the loop waits again: what many events of a round share, such as a flush.
  void this_round();
  // After the loop has looked for events: what yields to others.
  void next_round();
  // In order of asking, one at least in a round, more while all of them have computed no longer than everything else of
  // the round: what is slow, such as handshakes.
  void in_turn();
  // When less is buffered than may be; in the order in which they asked.
  void when_memory_is_free();

 private:
  friend class Loop;
  Loop& loop_;
  std::function<void()> call_;
  bool this_round_ = false, next_round_ = false, in_turn_ = false, for_memory_ = false;
};

class Timer {
 public:
  Timer(Loop& loop, std::function<void()> call) : loop_(loop), call_(std::move(call)) {}
  ~Timer() { stop(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void start(int64_t milliseconds);
  void stop();
  bool running() const { return due_ >= 0; }

 private:
  friend class Loop;
  Loop& loop_;
  std::function<void()> call_;
  int64_t due_ = -1;
};

// One data thread: an epoll set, timers, and everything that lives on it. Only `post` and `wake` may be called from elsewhere.
class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void run();
  void stop();

  // From any thread: runs `call` on this one, in order, once it was woken.
  void post(std::function<void()> call);
  void wake();

  // Edge-triggered, for everything, once: nobody changes the set while a connection lives. Throws SocketError, as
  // `watch_level` does: the kernel has a limit of descriptors to watch.
  void watch(int fd, Pollable* owner);
  // The descriptor goes on with another owner, who hears of what is ready now.
  void rewatch(int fd, Pollable* owner);
  void watch_level(int fd, Pollable* owner);
  // The descriptor goes on elsewhere: no event of a later round names its owner.
  void unwatch(int fd);

  // Keeps an object until the end of the round: events of this round may still name it.
  void retire(std::shared_ptr<void> object) { retired_.push_back(std::move(object)); }

  // Keeps an object that waits for nobody's sake but its peer's, until it is let go or the loop ends.
  void keep(std::shared_ptr<void> object) { kept_.insert(std::move(object)); }
  void let_go(const std::shared_ptr<void>& object) { kept_.erase(object); }

  // What peers may not show any more; null: nobody looks. Of this thread's use only.
  std::shared_ptr<const Revocations> revocations;

  // Connections and tunnels that live here or are on their way; of any thread's reading.
  std::atomic<uint32_t> load = 0;
  // Set before the thread runs; null: no limit.
  const Load* limits = nullptr;
  // More is buffered than may be, on all threads together: who holds bytes takes no more for now.
  bool short_of_memory() const;

  // Set before the thread runs: called on it while its CPU does not suffice.
  std::function<void()> on_overload;

  // For what is gathered within a batch of input.
  std::unique_ptr<Pieces> take_pieces();
  void give_pieces(std::unique_ptr<Pieces> pieces);

  // Said before each read of an application. True: no other was read here for a tenth of a second.
  bool reads_alone(const Pollable* reader);

  // Buffers of the thread, for one call at a time. Inner tunnels decrypt while an outer one's plaintext is being read.
  Room cipher_buffer() { return buffer(0); }
  Room plain_buffer(int depth) { return buffer(depth > 0 ? 2 : 1); }
  Room copy_buffer() { return buffer(3); }

 private:
  friend class Deferred;
  friend class Timer;
  static constexpr size_t kBuffer = 256 * 1024, kBuffers = 4;
  static constexpr size_t kSparePieces = 256;

  Room buffer(size_t index) {
    buffers_used_ = true;
    return {buffers_ + kBuffer * index, kBuffer};
  }
  void trim();
  void run_posted();
  void run_timers();
  void run_turns();
  void control(int operation, uint32_t events, int fd, Pollable* owner);
  void clear_retired();
  void resume_readers();
  void measure();
  int wait_time() const;

  OwnedFd epoll_, wake_;
  uint8_t* buffers_ = nullptr;
  bool buffers_used_ = false;
  const Pollable* last_reader_ = nullptr;  // only to be compared
  int64_t alone_from_ = 0;
  std::vector<std::unique_ptr<Pieces>> spare_pieces_;
  std::set<std::pair<int64_t, Timer*>> timers_;
  std::vector<Deferred*> this_round_;
  std::deque<Deferred*> next_round_, turns_, for_memory_;
  int64_t turns_ended_ = 0;  // by the thread's CPU time, while somebody waits for a turn
  std::vector<std::shared_ptr<void>> retired_;
  std::set<std::shared_ptr<void>> kept_;
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;  // under mutex_
  bool stopping_ = false;
  CpuMeter meter_;
  Timer trim_{*this, [this] { trim(); }};
};

}  // namespace culvert
