#include <cstdlib>
#include <cstring>

#include "must.h"
#include "targets.h"

// libFuzzer's two calls. One executable holds every target; CULVERT_FUZZ_TARGET names the one of this run.
namespace {

const culvert::fuzz::Target* chosen = nullptr;

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* name = std::getenv("CULVERT_FUZZ_TARGET");
  MUST(name != nullptr);
  for (const auto& target : culvert::fuzz::targets()) {
    if (std::strcmp(target.name, name) == 0) chosen = &target;
  }
  MUST(chosen != nullptr);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  chosen->run({data, size});
  return 0;
}
