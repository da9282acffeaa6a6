#include <cstdint>
#include <vector>

// An add-on of nothing but an overflow, as it is loaded: what the check of the real one must be able to see.
namespace {

volatile uint8_t sink;

[[gnu::constructor]] void overflow() {
  std::vector<uint8_t> bytes(16);
  const volatile uint8_t* start = bytes.data();
  sink = start[bytes.size()];
}

}  // namespace
