#include "targets.h"

// Instead of targets.cc: one target with a bug behind three bytes, which a fuzzer that works finds in seconds.
namespace culvert::fuzz {

namespace {

volatile uint8_t sink;

void run(Input input) {
  if (input.size() < 3 || input[0] != 'b' || input[1] != 'u' || input[2] != 'g') return;
  std::vector<uint8_t> copy(input.begin(), input.end());
  const volatile uint8_t* start = copy.data();
  sink = start[copy.size()];
}

Seeds seeds() { return {}; }

}  // namespace

std::span<const Target> targets() {
  static const Target planted[] = {{"planted", run, seeds}};
  return planted;
}

}  // namespace culvert::fuzz
