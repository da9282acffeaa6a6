#pragma once
#include <openssl/evp.h>

#include <array>
#include <memory>
#include <optional>

#include "bytes.h"

namespace culvert {

// A traffic secret of TLS 1.3 (RFC 8446 7.1). Wiped wherever it goes.
class TrafficSecret {
 public:
  TrafficSecret() = default;
  explicit TrafficSecret(Bytes bytes);
  TrafficSecret(const TrafficSecret& other) = default;
  TrafficSecret& operator=(const TrafficSecret& other) = default;
  ~TrafficSecret();

  Bytes bytes() const { return {bytes_.data(), size_}; }
  bool empty() const { return size_ == 0; }

 private:
  std::array<uint8_t, 48> bytes_{};
  size_t size_ = 0;
};

// Protection of the records of one direction (RFC 8446 5.2, 5.3): a secret, the key and nonces from it, a counter.
class RecordCipher {
 public:
  enum class Direction { seal, open };

  static constexpr size_t kHeader = 5, kTag = 16;

  // Nothing for a cipher suite (its number on the wire) that is not done here.
  static std::optional<RecordCipher> make(uint16_t suite, TrafficSecret secret, Direction direction);

  // `record` is 5 bytes for the header, `length` of inner plaintext, 16 for the tag.
  bool seal(uint8_t* record, size_t length);
  // The record as it came; `length` is what its header says. Opened in place; false: not what the peer sent.
  bool open(uint8_t* record, size_t length);

  // Records under the key in use.
  uint64_t records() const { return sequence_; }
  // The next generation (RFC 8446 7.2). False when OpenSSL cannot.
  bool update();

 private:
  struct Free {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
  };
  struct Suite {
    const EVP_CIPHER* cipher;
    const EVP_MD* hash;
  };

  RecordCipher(Suite suite, TrafficSecret secret, Direction direction);

  static std::optional<Suite> find(uint16_t suite);
  bool use_secret();
  bool next_nonce(uint8_t* nonce);

  Suite suite_;
  TrafficSecret secret_;
  Direction direction_;
  std::unique_ptr<EVP_CIPHER_CTX, Free> context_;
  std::array<uint8_t, 12> iv_{};
  uint64_t sequence_ = 0;
};

}  // namespace culvert
