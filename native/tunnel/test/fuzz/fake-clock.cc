#include "../../src/engine/clock.h"
#include "targets.h"

// Stands in for the engine's clock.cc in the fuzzing executable.
namespace culvert {

namespace {
int64_t time_of_input = 1000000;
}

int64_t now() { return time_of_input; }
double precise_now() { return static_cast<double>(time_of_input); }
int64_t thread_time() { return time_of_input * 1000000; }

namespace fuzz {
void advance_clock(int64_t milliseconds) { time_of_input += milliseconds; }
}  // namespace fuzz

}  // namespace culvert
