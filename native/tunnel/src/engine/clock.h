#pragma once
#include <cstdint>

namespace culvert {

// Milliseconds of the monotonic clock. In a file of its own: fuzzing links another.
int64_t now();
double precise_now();

}  // namespace culvert
