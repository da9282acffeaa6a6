#pragma once
#include <cstdint>

namespace culvert::test {

// From now the engine takes it to be so much later, in milliseconds.
void put_clock_forward(int64_t milliseconds);

}  // namespace culvert::test
