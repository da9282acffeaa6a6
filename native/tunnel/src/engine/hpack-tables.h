#pragma once
#include <cstdint>
#include <string_view>

// RFC 7541, appendices A and B.
namespace culvert {

struct StaticField {
  std::string_view name, value;
};

inline constexpr size_t kStaticFields = 61;
// Index 1 is the first, as in the RFC; 0 is unused.
extern const StaticField kStaticTable[kStaticFields + 1];

// Bits of each octet's code; the code is canonical, so the lengths say everything. EOS has 30.
extern const uint8_t kHuffmanLengths[256];

}  // namespace culvert
