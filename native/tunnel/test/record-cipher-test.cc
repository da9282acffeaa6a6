#include <algorithm>

#include "../src/engine/record-cipher.h"
#include "check.h"

// Known answers: the client's application data of RFC 8448 section 3. Both suites that are negotiated also speak with
// records that TypeScript makes (packages/tunnel/src/native-records.test.ts).
namespace culvert::test {

namespace {

constexpr uint16_t kAes128 = 0x1301, kAes256 = 0x1302, kChaCha20 = 0x1303;

std::vector<uint8_t> bytes_of(const std::string& hex) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i < hex.size(); i += 2) bytes.push_back(static_cast<uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

const auto kSecret = bytes_of("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5");

struct Answer {
  std::vector<uint8_t> inner;  // the plaintext and its type
  std::vector<uint8_t> record;
};

std::vector<Answer> answers() {
  std::vector<uint8_t> data(50);
  for (size_t i = 0; i < data.size(); i++) data[i] = static_cast<uint8_t>(i);
  data.push_back(23);
  return {{data, bytes_of("1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b"
                          "62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4")},
          {bytes_of("010015"), bytes_of("1703030013c9872760655666b74d7ff1153efd6db6d0b0e3")}};
}

}  // namespace

TEST("record cipher: seals and opens the records of RFC 8448") {
  auto seal = RecordCipher::make(kAes128, TrafficSecret(kSecret), RecordCipher::Direction::seal);
  auto open = RecordCipher::make(kAes128, TrafficSecret(kSecret), RecordCipher::Direction::open);
  for (const auto& [inner, record] : answers()) {
    std::vector<uint8_t> ours(RecordCipher::kHeader + inner.size() + RecordCipher::kTag);
    std::ranges::copy(inner, ours.begin() + RecordCipher::kHeader);
    CHECK(seal->seal(ours.data(), inner.size()));
    CHECK(ours == record);
    CHECK(open->open(ours.data(), ours.size() - RecordCipher::kHeader));
    CHECK(std::equal(inner.begin(), inner.end(), ours.begin() + RecordCipher::kHeader));
  }
  // The same again is not the next one.
  auto again = answers()[1].record;
  CHECK(!open->open(again.data(), again.size() - RecordCipher::kHeader));
}

TEST("record cipher: knows the suites that are negotiated, with secrets of their size") {
  auto knows = [](uint16_t suite, size_t secret) {
    return RecordCipher::make(suite, TrafficSecret(random_bytes(secret)), RecordCipher::Direction::seal).has_value();
  };
  CHECK(knows(kAes128, 32));
  CHECK(knows(kAes256, 48));
  CHECK(!knows(kAes128, 48));
  CHECK(!knows(kAes256, 32));
  // docs/spec/hbone.md 1.1: never negotiated.
  CHECK(!knows(kChaCha20, 32));
}

}  // namespace culvert::test
