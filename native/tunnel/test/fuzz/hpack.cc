#include "../../src/engine/hpack.h"

#include "must.h"
#include "targets.h"

// Blocks of one connection: each two bytes of length, then so much. What comes out must survive our own encoder.
namespace culvert::fuzz {

namespace {

void check_round_trip(const std::vector<HeaderField>& fields) {
  std::string block;
  for (const auto& [name, value] : fields) HpackEncoder::field(block, name, value);
  HpackDecoder decoder;
  HpackDecoder::Result again;
  MUST(decoder.decode({reinterpret_cast<const uint8_t*>(block.data()), block.size()}, SIZE_MAX, again));
  MUST(again.fields == fields);
}

void put_block(std::vector<uint8_t>& seed, const std::vector<uint8_t>& block) {
  seed.push_back(static_cast<uint8_t>(block.size() >> 8));
  seed.push_back(static_cast<uint8_t>(block.size()));
  seed.insert(seed.end(), block.begin(), block.end());
}

}  // namespace

void run_hpack(Input input) {
  Script script(input);
  HpackDecoder decoder;
  size_t most = size_t{script.byte()} * 64;
  while (!script.at_end()) {
    size_t length = size_t{script.byte()} << 8;
    length += script.byte();
    HpackDecoder::Result result;
    if (!decoder.decode(script.bytes(length), most, result)) return;
    if (result.excessive) return;
    size_t kept = 0;
    for (const auto& [name, value] : result.fields) kept += name.size() + value.size() + 32;
    MUST(kept <= most);
    MUST(result.too_large == (result.list_size > most));
    MUST(result.too_large || kept == result.list_size);
    check_round_trip(result.fields);
  }
}

Seeds hpack_seeds() {
  Seeds seeds;
  // RFC 7541 C.4 and C.6: requests and responses with Huffman codes and a dynamic table.
  std::vector<uint8_t> requests{255};
  put_block(requests, {0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff});
  put_block(requests, {0x82, 0x86, 0x84, 0xbe, 0x58, 0x86, 0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf});
  put_block(requests, {0x82, 0x87, 0x85, 0xbf, 0x40, 0x88, 0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xa9, 0x7d, 0x7f, 0x89, 0x25, 0xa8,
                       0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf});
  seeds.push_back(requests);
  // Sizes of the table: none, all, and a field that is larger than it.
  std::vector<uint8_t> sizes{16};
  put_block(sizes, {0x20, 0x3f, 0xe1, 0x1f, 0x40, 0x01, 'a', 0x01, 'b', 0xbe});
  put_block(sizes, {0x20, 0x40, 0x01, 'a', 0x01, 'b', 0x10, 0x01, 'c', 0x00});
  seeds.push_back(sizes);
  // Integers at their limit and beyond.
  for (uint8_t last : {0x0f, 0x7f, 0xff}) {
    std::vector<uint8_t> large{255};
    put_block(large, {0x7f, 0xff, 0xff, 0xff, last, 0x00});
    seeds.push_back(large);
  }
  return seeds;
}

}  // namespace culvert::fuzz
