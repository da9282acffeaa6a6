#include "../check.h"
#include "targets.h"

// Every seed, and every beginning of it, under the sanitizers of the driver.
namespace culvert::fuzz {

namespace {

void replay(const Target& target) {
  for (const auto& seed : target.seeds()) {
    size_t step = seed.size() > 64 ? seed.size() / 64 : 1;
    for (size_t size = 0; size < seed.size(); size += step) target.run(Input(seed).first(size));
    target.run(seed);
  }
}

// And what a fuzzer would try first.
void mutate(const Target& target) {
  auto seeds = target.seeds();
  for (int count = 0; count < 300; count++) {
    auto seed = seeds[test::random_below(seeds.size())];
    for (size_t changes = 1 + test::random_below(4); changes > 0 && !seed.empty(); changes--) {
      seed[test::random_below(seed.size())] = static_cast<uint8_t>(test::random_below(256));
    }
    target.run(seed);
  }
}

const bool registered = [] {
  for (const auto& target : targets()) {
    test::tests().push_back({std::string("seeds: ") + target.name, [&target] { replay(target); }});
    test::tests().push_back({std::string("seeds: ") + target.name + ", changed", [&target] { mutate(target); }});
  }
  return true;
}();

}  // namespace

}  // namespace culvert::fuzz
