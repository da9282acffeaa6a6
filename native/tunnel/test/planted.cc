#include <thread>

#include "check.h"

// Bugs for the sanitizers to find: linked into `driver-planted` only. A run that passes them shows a check that cannot fail.
namespace culvert::test {

namespace {
volatile int sink;
}

TEST("planted: overflow") {
  std::vector<uint8_t> bytes(16);
  const volatile uint8_t* start = bytes.data();
  sink = start[bytes.size()];
}

TEST("planted: use after free") {
  auto* gone = new int(1);
  const volatile int* at = gone;
  delete gone;
  sink = *at;
}

TEST("planted: leak") {
  static int* volatile kept;
  kept = new int[100]{1};
  sink = kept[0];
  kept = nullptr;
}

TEST("planted: undefined") {
  volatile int large = 0x7fffffff;
  sink = large + 1;
}

TEST("planted: race") {
  static int shared = 0;
  std::thread one([] {
    for (int i = 0; i < 10000; i++) shared++;
  });
  for (int i = 0; i < 10000; i++) shared++;
  one.join();
  sink = shared;
}

}  // namespace culvert::test
