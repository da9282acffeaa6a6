#include "huffman.h"

#include "hpack-tables.h"

namespace culvert {

namespace {

constexpr int kLongest = 30;
constexpr int kEos = 256;

// A canonical code: symbols of one length have consecutive codes in the order of their values.
struct Code {
  uint32_t first[kLongest + 1] = {};  // code of the first symbol of each length
  uint32_t count[kLongest + 1] = {};
  uint16_t offset[kLongest + 1] = {};  // of that symbol in `symbols`
  uint16_t symbols[257] = {};

  Code() {
    uint16_t next = 0;
    uint32_t code = 0;
    for (int length = 1; length <= kLongest; length++) {
      first[length] = code;
      offset[length] = next;
      for (int symbol = 0; symbol <= kEos; symbol++) {
        int bits = symbol == kEos ? kLongest : kHuffmanLengths[symbol];
        if (bits == length) symbols[next++] = static_cast<uint16_t>(symbol);
      }
      count[length] = static_cast<uint32_t>(next - offset[length]);
      code = (code + count[length]) << 1;
    }
  }
};

const Code kCode;

}  // namespace

bool huffman_decode(Bytes coded, std::string& text) {
  uint32_t code = 0;
  int length = 0;
  bool padding = true;  // the bits since the last symbol are all ones
  for (uint8_t octet : coded) {
    for (int bit = 7; bit >= 0; bit--) {
      uint32_t value = octet >> bit & 1u;
      code = code << 1 | value;
      length++;
      padding = padding && value == 1;
      if (length > kLongest) return false;
      uint32_t place = code - kCode.first[length];
      if (code < kCode.first[length] || place >= kCode.count[length]) continue;
      uint16_t symbol = kCode.symbols[kCode.offset[length] + place];
      if (symbol == kEos) return false;
      text.push_back(static_cast<char>(symbol));
      code = 0;
      length = 0;
      padding = true;
    }
  }
  return length < 8 && padding;
}

}  // namespace culvert
