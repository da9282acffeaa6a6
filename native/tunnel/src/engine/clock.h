#pragma once
#include <cstdint>

namespace culvert {

// Milliseconds of the monotonic clock. In a file of its own: fuzzing links another.
int64_t now();
double precise_now();
// What the calling thread has computed, in nanoseconds.
int64_t thread_time();

}  // namespace culvert
