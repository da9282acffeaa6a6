#include "../src/engine/hpack.h"

#include "../src/engine/huffman.h"
#include "check.h"

// RFC 7541, appendix C: its examples, byte by byte.
namespace culvert::test {

namespace {

std::vector<uint8_t> from_hex(std::string_view hex) {
  std::vector<uint8_t> bytes;
  std::string digits;
  for (char c : hex) {
    if (c == ' ') continue;
    digits += c;
    if (digits.size() < 2) continue;
    bytes.push_back(static_cast<uint8_t>(std::stoi(digits, nullptr, 16)));
    digits.clear();
  }
  return bytes;
}

// `name: value` lines, or what is wrong.
std::string decode(HpackDecoder& decoder, std::string_view hex, size_t most = 65536) {
  auto block = from_hex(hex);
  HpackDecoder::Result result;
  if (!decoder.decode(block, most, result)) return "error";
  std::string lines;
  for (const auto& [name, value] : result.fields) lines += name + ": " + value + "\n";
  return lines + (result.too_large ? "too large" : "");
}

std::string decode_once(std::string_view hex, size_t most = 65536) {
  HpackDecoder decoder;
  return decode(decoder, hex, most);
}

const std::string kFirst = ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n";
const std::string kSecond = kFirst + "cache-control: no-cache\n";
const std::string kThird =
    ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\ncustom-key: custom-value\n";

}  // namespace

TEST("hpack: C.2 single fields") {
  CHECK_EQUAL(decode_once("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572"), "custom-key: custom-header\n");
  CHECK_EQUAL(decode_once("040c 2f73 616d 706c 652f 7061 7468"), ":path: /sample/path\n");
  CHECK_EQUAL(decode_once("1008 7061 7373 776f 7264 0673 6563 7265 74"), "password: secret\n");
  CHECK_EQUAL(decode_once("82"), ":method: GET\n");
}

TEST("hpack: C.3 requests without Huffman codes") {
  HpackDecoder decoder;
  CHECK_EQUAL(decode(decoder, "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d"), kFirst);
  CHECK_EQUAL(decode(decoder, "8286 84be 5808 6e6f 2d63 6163 6865"), kSecond);
  CHECK_EQUAL(decode(decoder, "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65"), kThird);
}

TEST("hpack: C.4 requests with Huffman codes") {
  HpackDecoder decoder;
  CHECK_EQUAL(decode(decoder, "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff"), kFirst);
  CHECK_EQUAL(decode(decoder, "8286 84be 5886 a8eb 1064 9cbf"), kSecond);
  CHECK_EQUAL(decode(decoder, "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf"), kThird);
}

// C.5 and C.6 evict from a table of 256 octets, which a change of its size gives us here.
TEST("hpack: C.6 responses with eviction") {
  HpackDecoder decoder;
  CHECK_EQUAL(decode(decoder,
                     "3fe1 01 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff"
                     "6e91 9d29 ad17 1863 c78f 0b97 c8e9 ae82 ae43 d3"),
              ":status: 302\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\n"
              "location: https://www.example.com\n");
  CHECK_EQUAL(decode(decoder, "4883 640e ffc1 c0bf"),
              ":status: 307\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\n"
              "location: https://www.example.com\n");
  CHECK_EQUAL(decode(decoder,
                     "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d"
                     "d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106"
                     "3d50 07"),
              ":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\n"
              "location: https://www.example.com\ncontent-encoding: gzip\n"
              "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n");
}

TEST("hpack: what is no block") {
  for (const char* hex : {"80",                  // index 0
                          "be",                  // beyond an empty table
                          "3fe2 1f",             // a table of 4097 octets
                          "82 20",               // a table's size behind a field
                          "40",                  // ends before the name
                          "4001",                // ends in the name
                          "4001 61",             // ends before the value
                          "ff",                  // ends in an integer
                          "ff ff ff ff ff ff",   // an integer without an end
                          "00 7f ff ff ff ff 7f"  // a length beyond everything
       }) {
    CHECK_EQUAL(std::string(hex) + decode_once(hex), std::string(hex) + "error");
  }
}

TEST("hpack: a list that is too large is decoded to its end") {
  HpackDecoder decoder;
  std::string all = decode(decoder, "82 400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", 42);
  CHECK_EQUAL(all, ":method: GET\ntoo large");
  CHECK_EQUAL(decode(decoder, "be"), "custom-key: custom-header\n");
}

TEST("hpack: an entry larger than the table empties it") {
  HpackDecoder decoder;
  CHECK_EQUAL(decode(decoder, "3f09 4001 6101 62"), "a: b\n");
  CHECK_EQUAL(decode(decoder, "be"), "a: b\n");
  CHECK_EQUAL(decode(decoder, "4008 6162 6364 6566 6768 01 62"), "abcdefgh: b\n");
  CHECK_EQUAL(decode(decoder, "be"), "error");
}

TEST("hpack: the encoder's blocks") {
  std::string block;
  HpackEncoder::field(block, ":method", "CONNECT");
  HpackEncoder::field(block, ":status", "200");
  HpackEncoder::field(block, "baggage", std::string(300, 'b'));
  HpackDecoder decoder;
  HpackDecoder::Result result;
  CHECK(decoder.decode({reinterpret_cast<const uint8_t*>(block.data()), block.size()}, 65536, result));
  CHECK_EQUAL(result.fields.size(), 3u);
  CHECK_EQUAL(result.fields[0].second, "CONNECT");
  CHECK_EQUAL(result.fields[1].second, "200");
  CHECK_EQUAL(result.fields[2].second, std::string(300, 'b'));
}

TEST("huffman: padding") {
  auto decoded = [](std::string_view hex) {
    std::string text;
    return huffman_decode(from_hex(hex), text) ? text : "error";
  };
  CHECK_EQUAL(decoded(""), "");
  CHECK_EQUAL(decoded("1f"), "a");       // 00011 and three ones
  CHECK_EQUAL(decoded("18"), "error");   // 00011 and zeros
  CHECK_EQUAL(decoded("1fff"), "error");  // more than seven ones
  CHECK_EQUAL(decoded("ffff ffff"), "error");  // EOS
}

}  // namespace culvert::test
