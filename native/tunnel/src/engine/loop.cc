#include "loop.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <stdexcept>
#include <utility>

#include "failure.h"
#include "limits.h"

namespace culvert {

namespace {
constexpr int64_t kTrimInterval = 10000;  // milliseconds

// Milliseconds between two looks at what other threads hold while somebody waits for it to become less.
constexpr int64_t kMemoryInterval = 10;

// Milliseconds without a read of another connection until one is alone.
constexpr int64_t kAloneAfter = 100;

constexpr uint32_t kEverything = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
}  // namespace

bool CpuMeter::overloaded(int64_t wall, int64_t cpu) {
  constexpr int64_t kPercent = 90;
  busy_spells_ = (cpu - cpu_) * 100 >= (wall - wall_) * kPercent ? busy_spells_ + 1 : 0;
  wall_ = wall;
  cpu_ = cpu;
  return busy_spells_ >= 2 && std::exchange(busy_spells_, 0) > 0;
}

Deferred::~Deferred() {
  if (this_round_) std::erase(loop_.this_round_, this);
  if (next_round_) std::erase(loop_.next_round_, this);
  if (in_turn_) std::erase(loop_.turns_, this);
  if (for_memory_) std::erase(loop_.for_memory_, this);
}

void Deferred::this_round() {
  if (this_round_) return;
  this_round_ = true;
  loop_.this_round_.push_back(this);
}

void Deferred::next_round() {
  if (next_round_) return;
  next_round_ = true;
  loop_.next_round_.push_back(this);
}

void Deferred::in_turn() {
  if (in_turn_) return;
  in_turn_ = true;
  loop_.turns_.push_back(this);
}

void Deferred::when_memory_is_free() {
  if (for_memory_) return;
  for_memory_ = true;
  loop_.for_memory_.push_back(this);
}

void Timer::start(int64_t milliseconds) {
  stop();
  due_ = now() + milliseconds;
  loop_.timers_.insert({due_, this});
}

void Timer::stop() {
  if (due_ < 0) return;
  loop_.timers_.erase({due_, this});
  due_ = -1;
}

Loop::Loop() {
  epoll_ = OwnedFd(epoll_create1(EPOLL_CLOEXEC));
  wake_ = OwnedFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  epoll_event event{EPOLLIN, {.ptr = nullptr}};
  if (epoll_.get() < 0 || wake_.get() < 0 || epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) != 0) {
    throw std::runtime_error("cannot make an event loop: " + os_error(errno));
  }
  void* pages = mmap(nullptr, kBuffer * kBuffers, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();
  buffers_ = static_cast<uint8_t*>(pages);
}

Loop::~Loop() {
  trim_.stop();
  munmap(buffers_, kBuffer * kBuffers);
}

void Loop::post(std::function<void()> call) {
  std::lock_guard lock(mutex_);
  posted_.push_back(std::move(call));
}

void Loop::wake() {
  uint64_t one = 1;
  // A counter at its limit still wakes.
  if (write(wake_.get(), &one, sizeof one) < 0) return;
}

void Loop::stop() {
  post([this] { stopping_ = true; });
  wake();
}

void Loop::control(int operation, uint32_t events, int fd, Pollable* owner) {
  epoll_event event{events, {.ptr = owner}};
  if (epoll_ctl(epoll_.get(), operation, fd, &event) != 0) throw SocketError{errno};
}

void Loop::watch(int fd, Pollable* owner) { control(EPOLL_CTL_ADD, kEverything, fd, owner); }

void Loop::rewatch(int fd, Pollable* owner) { control(EPOLL_CTL_MOD, kEverything, fd, owner); }

void Loop::watch_level(int fd, Pollable* owner) { control(EPOLL_CTL_ADD, EPOLLIN, fd, owner); }

void Loop::unwatch(int fd) { epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

std::unique_ptr<Pieces> Loop::take_pieces() {
  if (spare_pieces_.empty()) return std::make_unique<Pieces>();
  std::unique_ptr<Pieces> pieces = std::move(spare_pieces_.back());
  spare_pieces_.pop_back();
  return pieces;
}

void Loop::give_pieces(std::unique_ptr<Pieces> pieces) {
  pieces->clear();
  if (spare_pieces_.size() < kSparePieces) spare_pieces_.push_back(std::move(pieces));
}

int Loop::wait_time() const {
  if (!next_round_.empty() || !turns_.empty()) return 0;
  int64_t most = for_memory_.empty() ? 3600000 : kMemoryInterval;
  if (timers_.empty()) return for_memory_.empty() ? -1 : static_cast<int>(most);
  return static_cast<int>(std::clamp<int64_t>(timers_.begin()->first - now(), 0, most));
}

void Loop::run_posted() {
  std::vector<std::function<void()>> calls;
  {
    std::lock_guard lock(mutex_);
    calls.swap(posted_);
  }
  for (auto& call : calls) call();
}

void Loop::run_timers() {
  if (timers_.empty()) return;
  int64_t time = now();
  while (!timers_.empty() && timers_.begin()->first <= time) {
    Timer* timer = timers_.begin()->second;
    timer->stop();
    timer->call_();
  }
}

void Loop::run_turns() {
  if (turns_.empty()) {
    // Those that waited may have ended with their owners.
    turns_ended_ = 0;
    return;
  }
  int64_t begun = thread_time();
  int64_t others = turns_ended_ == 0 ? 0 : begun - turns_ended_;
  do {
    Deferred* deferred = turns_.front();
    turns_.pop_front();
    deferred->in_turn_ = false;
    deferred->call_();
  } while (!turns_.empty() && thread_time() - begun < others);
  turns_ended_ = turns_.empty() ? 0 : thread_time();
}

bool Loop::reads_alone(const Pollable* reader) {
  int64_t time = now();
  if (std::exchange(last_reader_, reader) != reader) alone_from_ = time + kAloneAfter;
  return time >= alone_from_;
}

// Large memory pays only while something moves.
void Loop::trim() {
  buffers_used_ = false;
  madvise(buffers_, kBuffer * kBuffers, MADV_DONTNEED);
  trim_blocks();
}

void Loop::measure() {
  if (!on_overload) return;
  int64_t time = now();
  if (!meter_.due(time)) return;
  if (meter_.overloaded(time, thread_time() / 1000000)) on_overload();
}

bool Loop::short_of_memory() const { return limits != nullptr && limits->buffers_full(); }

// One after another looks again itself: the first may already take what is free.
void Loop::resume_readers() {
  if (for_memory_.empty() || short_of_memory()) return;
  for (Deferred* deferred : for_memory_) {
    deferred->for_memory_ = false;
    deferred->next_round();
  }
  for_memory_.clear();
}

void Loop::run() {
  epoll_event events[256];
  while (!stopping_) {
    int count = epoll_wait(epoll_.get(), events, 256, wait_time());
    for (int i = 0; i < count; i++) {
      auto* owner = static_cast<Pollable*>(events[i].data.ptr);
      if (owner != nullptr) {
        owner->on_events(events[i].events);
        continue;
      }
      uint64_t ignored;
      if (read(wake_.get(), &ignored, sizeof ignored) > 0) run_posted();
    }
    run_timers();
    resume_readers();
    // Only what asked before now: who asks again meanwhile waits for the next look at the events.
    for (size_t left = next_round_.size(); left > 0 && !next_round_.empty(); left--) {
      Deferred* deferred = next_round_.front();
      next_round_.pop_front();
      deferred->next_round_ = false;
      deferred->call_();
    }
    run_turns();
    while (!this_round_.empty()) {
      Deferred* deferred = this_round_.back();
      this_round_.pop_back();
      deferred->this_round_ = false;
      deferred->call_();
    }
    clear_retired();
    measure();
    if (buffers_used_ && !trim_.running()) trim_.start(kTrimInterval);
  }
  std::exchange(kept_, {}).clear();
  clear_retired();
}

// What goes may let go of more.
void Loop::clear_retired() {
  while (!retired_.empty()) std::exchange(retired_, {}).clear();
}

}  // namespace culvert
