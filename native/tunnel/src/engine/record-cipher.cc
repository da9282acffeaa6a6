#include "record-cipher.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <new>
#include <string_view>

namespace culvert {

namespace {

// HKDF-Expand-Label without context (RFC 8446 7.1), for no more than one block of the hash.
bool expand_label(const EVP_MD* hash, const TrafficSecret& secret, std::string_view label, Room to) {
  uint8_t info[64];
  size_t size = 0;
  auto put = [&](size_t byte) { info[size++] = static_cast<uint8_t>(byte); };
  auto put_text = [&](std::string_view text) {
    for (char letter : text) put(static_cast<uint8_t>(letter));
  };
  constexpr std::string_view kPrefix = "tls13 ";
  put(to.size() >> 8);
  put(to.size());
  put(kPrefix.size() + label.size());
  put_text(kPrefix);
  put_text(label);
  put(0);
  put(1);  // the block's number
  uint8_t block[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  Bytes key = secret.bytes();
  bool good = HMAC(hash, key.data(), static_cast<int>(key.size()), info, size, block, &length) != nullptr &&
              to.size() <= length;
  if (good) std::copy_n(block, to.size(), to.data());
  OPENSSL_cleanse(block, sizeof block);
  return good;
}

// Fetched once: finding an implementation by name takes locks.
const EVP_CIPHER* fetched(const char* name) { return EVP_CIPHER_fetch(nullptr, name, nullptr); }

}  // namespace

TrafficSecret::TrafficSecret(Bytes bytes) : size_(std::min(bytes.size(), bytes_.size())) {
  std::copy_n(bytes.data(), size_, bytes_.data());
}

TrafficSecret::~TrafficSecret() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

std::optional<RecordCipher::Suite> RecordCipher::find(uint16_t suite) {
  static const EVP_CIPHER* const aes_128 = fetched("AES-128-GCM");
  static const EVP_CIPHER* const aes_256 = fetched("AES-256-GCM");
  Suite found{nullptr, nullptr};
  switch (suite) {
    case 0x1301: found = {aes_128, EVP_sha256()}; break;
    case 0x1302: found = {aes_256, EVP_sha384()}; break;
  }
  if (found.cipher == nullptr) return std::nullopt;
  return found;
}

std::optional<RecordCipher> RecordCipher::make(uint16_t suite, TrafficSecret secret, Direction direction) {
  auto known = find(suite);
  if (!known || secret.bytes().size() != static_cast<size_t>(EVP_MD_get_size(known->hash))) return std::nullopt;
  RecordCipher cipher(*known, secret, direction);
  if (!cipher.use_secret()) return std::nullopt;
  return cipher;
}

RecordCipher::RecordCipher(Suite suite, TrafficSecret secret, Direction direction)
    : suite_(suite), secret_(secret), direction_(direction), context_(EVP_CIPHER_CTX_new()) {
  if (context_ == nullptr) throw std::bad_alloc();
}

bool RecordCipher::use_secret() {
  uint8_t key[EVP_MAX_KEY_LENGTH];
  Room used(key, static_cast<size_t>(EVP_CIPHER_get_key_length(suite_.cipher)));
  bool good = expand_label(suite_.hash, secret_, "key", used) && expand_label(suite_.hash, secret_, "iv", iv_) &&
              EVP_CipherInit_ex(context_.get(), suite_.cipher, nullptr, key, iv_.data(),
                                direction_ == Direction::seal ? 1 : 0) == 1;
  OPENSSL_cleanse(key, sizeof key);
  sequence_ = 0;
  return good;
}

bool RecordCipher::update() {
  uint8_t next[EVP_MAX_MD_SIZE];
  Room room(next, secret_.bytes().size());
  bool good = expand_label(suite_.hash, secret_, "traffic upd", room);
  if (good) secret_ = TrafficSecret(room);
  OPENSSL_cleanse(next, sizeof next);
  return good && use_secret();
}

// No number is ever used twice under one key (RFC 8446 5.3).
bool RecordCipher::next_nonce(uint8_t* nonce) {
  if (sequence_ == UINT64_MAX) return false;
  std::copy(iv_.begin(), iv_.end(), nonce);
  for (size_t i = 0; i < 8; i++) nonce[iv_.size() - 1 - i] ^= static_cast<uint8_t>(sequence_ >> (8 * i));
  sequence_++;
  return true;
}

bool RecordCipher::seal(uint8_t* record, size_t length) {
  size_t body = length + kTag;
  record[0] = 23;
  record[1] = record[2] = 3;
  record[3] = static_cast<uint8_t>(body >> 8);
  record[4] = static_cast<uint8_t>(body);
  uint8_t nonce[12];
  uint8_t* inner = record + kHeader;
  int done = 0;
  EVP_CIPHER_CTX* context = context_.get();
  return next_nonce(nonce) && EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, nonce) == 1 &&
         EVP_EncryptUpdate(context, nullptr, &done, record, kHeader) == 1 &&
         EVP_EncryptUpdate(context, inner, &done, inner, static_cast<int>(length)) == 1 &&
         EVP_EncryptFinal_ex(context, inner + length, &done) == 1 &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTag, inner + length) == 1;
}

bool RecordCipher::open(uint8_t* record, size_t length) {
  if (length < kTag) return false;
  size_t sealed = length - kTag;
  uint8_t nonce[12];
  uint8_t* inner = record + kHeader;
  int done = 0;
  EVP_CIPHER_CTX* context = context_.get();
  return next_nonce(nonce) && EVP_DecryptInit_ex(context, nullptr, nullptr, nullptr, nonce) == 1 &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTag, inner + sealed) == 1 &&
         EVP_DecryptUpdate(context, nullptr, &done, record, kHeader) == 1 &&
         EVP_DecryptUpdate(context, inner, &done, inner, static_cast<int>(sealed)) == 1 &&
         EVP_DecryptFinal_ex(context, inner + sealed, &done) == 1;
}

}  // namespace culvert
