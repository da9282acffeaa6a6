#include "targets.h"

// The driver replays seeds under the real clock, since the engine beside them needs it.
namespace culvert::fuzz {
void advance_clock(int64_t) {}
}  // namespace culvert::fuzz
