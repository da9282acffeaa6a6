#include <algorithm>

#include "../src/engine/workers.h"
#include "check.h"

// How many data threads are used, and for what (native/tunnel/README.md). That a thread has too much to do is measured
// elsewhere (loop-test); here it is said.
namespace culvert::test {

namespace {

std::string key(int number) { return "key " + std::to_string(number); }

}  // namespace

TEST("workers: one more is used when a thread has too much to do, up to the most") {
  Load load{Limits{}};
  Workers workers(1, 3, load);
  CHECK_EQUAL(workers.loads().size(), 1u);
  workers.loop(0).load = 5;
  CHECK_EQUAL(workers.least_loaded(0), 0u);
  std::vector<unsigned> before;
  for (int i = 0; i < 1000; i++) before.push_back(workers.for_key(key(i)));
  CHECK(std::ranges::all_of(before, [](unsigned worker) { return worker == 0; }));
  for (size_t used = 2; used <= 3; used++) {
    workers.loop(0).on_overload();
    CHECK_EQUAL(workers.loads().size(), used);
    // New work goes there; and of the keys only those that have it as their new place.
    CHECK_EQUAL(workers.least_loaded(0), 1u);
    size_t moved = 0;
    for (int i = 0; i < 1000; i++) {
      unsigned now = workers.for_key(key(i));
      if (now == before[i]) continue;
      CHECK_EQUAL(now, used - 1);
      moved++;
      before[i] = now;
    }
    CHECK(moved > 1000 / used / 2 && moved < 1000 / used * 2);
  }
  workers.loop(1).on_overload();
  CHECK_EQUAL(workers.loads().size(), 3u);
  workers.loop(0).load = 0;
  workers.stop();
}

TEST("workers: a number that was set stays") {
  Load load{Limits{}};
  Workers workers(2, 2, load);
  CHECK_EQUAL(workers.loads().size(), 2u);
  CHECK(!workers.loop(0).on_overload);
  workers.stop();
}

}  // namespace culvert::test
