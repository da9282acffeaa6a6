#include "test-clock.h"

#include <time.h>

#include <atomic>

#include "../src/engine/clock.h"

// Stands in for the engine's clock.cc in the driver, so that nobody waits for what takes half a minute.
namespace culvert {

namespace {

std::atomic<int64_t> ahead = 0;  // milliseconds

double milliseconds_of(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

}  // namespace

int64_t now() { return static_cast<int64_t>(precise_now()); }

double precise_now() { return milliseconds_of(CLOCK_MONOTONIC) + static_cast<double>(ahead); }

int64_t thread_time() { return static_cast<int64_t>(milliseconds_of(CLOCK_THREAD_CPUTIME_ID) * 1e6); }

namespace test {
void put_clock_forward(int64_t milliseconds) { ahead += milliseconds; }
}  // namespace test

}  // namespace culvert
