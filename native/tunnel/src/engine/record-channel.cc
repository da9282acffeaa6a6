#include "record-channel.h"

#include <openssl/err.h>

#include <algorithm>
#include <utility>

#include "tls-alert.h"

namespace culvert {

namespace {

// A protected record without its header (RFC 8446 5.2).
constexpr size_t kLargestRecord = TlsChannel::kLargestPlaintext + 256;

// Records in a row that carry no data: empty ones, tickets, KeyUpdates, warnings. Each costs work and moves nothing.
constexpr uint32_t kIdleRecords = 32;

// Above this the peer does not take what we say, and an answer to its KeyUpdate may wait.
constexpr size_t kUnsentForUpdate = 64 * 1024;

constexpr uint8_t kCloseNotify = 0, kUserCanceled = 90;

std::string openssl_words(int reason) {
  const char* words = ERR_reason_error_string(ERR_PACK(ERR_LIB_SSL, 0, reason));
  return words == nullptr ? "tls failure " + std::to_string(reason) : words;
}

}  // namespace

std::unique_ptr<RecordChannel> RecordChannel::take_over(OpensslChannel& finished, uint64_t records_per_key) {
  auto secrets = finished.secrets();
  if (!secrets) return nullptr;
  auto in = RecordCipher::make(secrets->suite, secrets->in, RecordCipher::Direction::open);
  auto out = RecordCipher::make(secrets->suite, secrets->out, RecordCipher::Direction::seal);
  if (!in || !out) return nullptr;
  std::unique_ptr<RecordChannel> made(
      new RecordChannel(secrets->client, std::move(*in), std::move(*out), records_per_key));
  made->buffer_.append(finished.sealed());
  made->input_ = finished.unread();
  return made;
}

void RecordChannel::feed(Room ciphertext) {
  opened_.clear();
  input_ = ciphertext;
}

void RecordChannel::finish_reading() { opened_.clear(); }

// A whole record with its header; null: there is none yet, or `length` says that it is too long.
uint8_t* RecordChannel::next_record(size_t& length) {
  constexpr size_t kHeader = RecordCipher::kHeader;
  auto length_in = [](const uint8_t* header) { return static_cast<size_t>(header[3]) << 8 | header[4]; };
  while (!partial_.empty() || input_.size() < kHeader) {
    size_t have = partial_.size(), want = kHeader;
    if (have >= kHeader) {
      length = length_in(partial_.bytes().data());
      if (length > kLargestRecord) return nullptr;
      want += length;
      if (have == want) {
        opened_.swap(partial_);
        return opened_.end() - want;
      }
    }
    if (input_.empty()) {
      length = 0;
      return nullptr;
    }
    size_t count = std::min(want - have, input_.size());
    partial_.append(input_.first(count));
    input_ = input_.subspan(count);
  }
  length = length_in(input_.data());
  if (length > kLargestRecord) return nullptr;
  if (input_.size() < kHeader + length) {
    partial_.append(std::exchange(input_, {}));
    length = 0;
    return nullptr;
  }
  uint8_t* record = input_.data();
  input_ = input_.subspan(kHeader + length);
  return record;
}

TlsChannel::Plaintext RecordChannel::read(Room) {
  while (!failed_ && !heard_all_) {
    size_t length = 0;
    uint8_t* record = next_record(length);
    if (record == nullptr) {
      if (length > 0) return fail({SSL_AD_RECORD_OVERFLOW, SSL_R_ENCRYPTED_LENGTH_TOO_LONG});
      return {Got::nothing, {}};
    }
    Plaintext got = on_record(record, length);
    if (got.got != Got::nothing) return got;
  }
  return {failed_ ? Got::failed : Got::closed, {}};
}

TlsChannel::Plaintext RecordChannel::on_record(uint8_t* record, size_t length) {
  // Everything is protected now, and says so (RFC 8446 5.2); a change_cipher_spec is not for here any more (5).
  if (record[0] != static_cast<uint8_t>(Content::application_data)) {
    return fail({SSL_AD_UNEXPECTED_MESSAGE, SSL_R_BAD_RECORD_TYPE});
  }
  if (!in_.open(record, length)) {
    return fail({SSL_AD_BAD_RECORD_MAC, SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC});
  }
  uint8_t* inner = record + RecordCipher::kHeader;
  size_t size = length - RecordCipher::kTag;
  if (size > kLargestPlaintext + 1) return fail({SSL_AD_RECORD_OVERFLOW, SSL_R_DATA_LENGTH_TOO_LONG});
  // The type is behind the content and before any padding.
  while (size > 0 && inner[size - 1] == 0) size--;
  if (size == 0) return fail({SSL_AD_UNEXPECTED_MESSAGE, SSL_R_BAD_RECORD_TYPE});
  auto type = static_cast<Content>(inner[--size]);
  Room content(inner, size);
  if (type != Content::handshake && messages_.unfinished()) {
    return fail({SSL_AD_UNEXPECTED_MESSAGE, SSL_R_MIXED_HANDSHAKE_AND_NON_HANDSHAKE_DATA});
  }
  if (type == Content::application_data && size > 0) {
    idle_records_ = 0;
    return {Got::data, content};
  }
  if (++idle_records_ > kIdleRecords) {
    return fail({SSL_AD_UNEXPECTED_MESSAGE, type == Content::handshake ? SSL_R_TOO_MANY_KEY_UPDATES
                                            : type == Content::alert   ? SSL_R_TOO_MANY_WARN_ALERTS
                                                                       : SSL_R_RECORD_TOO_SMALL});
  }
  switch (type) {
    case Content::application_data: return {Got::nothing, {}};
    case Content::alert: return on_alert(content);
    case Content::handshake: return on_handshake(content);
    default: return fail({SSL_AD_UNEXPECTED_MESSAGE, SSL_R_BAD_RECORD_TYPE});
  }
}

TlsChannel::Plaintext RecordChannel::on_alert(Bytes alert) {
  // One, whole, in a record of its own (RFC 8446 5.1).
  if (alert.empty()) return fail({SSL_AD_UNEXPECTED_MESSAGE, SSL_R_INVALID_ALERT});
  if (alert.size() != 2) return fail({SSL_AD_DECODE_ERROR, SSL_R_INVALID_ALERT});
  if (alert[1] == kUserCanceled) return {Got::nothing, {}};
  heard_all_ = true;
  if (alert[1] == kCloseNotify) return {Got::closed, {}};
  // All others end it, whatever their level says (RFC 8446 6), and are not answered.
  failed_ = said_all_ = true;
  buffer_.drop_open();
  reason_ = alert_reason(alert[1]);
  return {Got::failed, {}};
}

TlsChannel::Plaintext RecordChannel::on_handshake(Bytes part) {
  if (part.empty()) return fail({SSL_AD_UNEXPECTED_MESSAGE, SSL_R_UNEXPECTED_MESSAGE});
  switch (messages_.read(part)) {
    case PostHandshake::Message::none: return {Got::nothing, {}};
    case PostHandshake::Message::bad: return fail(messages_.problem());
    case PostHandshake::Message::key_update_requested: update_owed_ = true; [[fallthrough]];
    case PostHandshake::Message::key_update: break;
  }
  if (in_.update()) return {Got::nothing, {}};
  return fail({SSL_AD_INTERNAL_ERROR, ERR_R_INTERNAL_ERROR});
}

TlsChannel::Plaintext RecordChannel::fail(Problem problem) {
  failed_ = true;
  reason_ = openssl_words(problem.reason);
  const uint8_t alert[] = {2, problem.alert};
  if (!said_all_ && seal_open()) put_record(Content::alert, alert);
  said_all_ = true;
  buffer_.drop_open();
  return {Got::failed, {}};
}

void RecordChannel::reserve(size_t count) {
  if (update_due() && !said_all_ && seal_open()) update_key();
  buffer_.reserve(count);
}

void RecordChannel::commit(size_t count) {
  if (said_all_ || count == 0) return buffer_.free_if_empty();
  buffer_.commit(count);
  // While it is in the processor's caches.
  while (buffer_.open() >= RecordBuffer::kPlaintext && seal_record(RecordBuffer::kPlaintext)) continue;
}

bool RecordChannel::seal() {
  if (failed_) return false;
  if (!seal_open()) return false;
  // Ours before the next data is enough for the peer; a peer that reads nothing gets no more of them.
  if (update_owed_ && !said_all_ && buffer_.backlog() < kUnsentForUpdate) return update_key();
  return true;
}

void RecordChannel::close() {
  if (said_all_ || !seal_open()) return;
  const uint8_t alert[] = {1, kCloseNotify};
  put_record(Content::alert, alert);
  said_all_ = true;
}

bool RecordChannel::seal_open() {
  while (buffer_.open() > 0) {
    if (!seal_record(std::min(buffer_.open(), RecordBuffer::kPlaintext))) return false;
  }
  return true;
}

bool RecordChannel::seal_record(size_t plaintext) {
  uint8_t* record = buffer_.first_open();
  record[RecordCipher::kHeader + plaintext] = static_cast<uint8_t>(Content::application_data);
  if (out_.seal(record, plaintext + 1)) {
    buffer_.seal(plaintext);
    return true;
  }
  // Whatever half of it was done must not go out.
  failed_ = said_all_ = true;
  reason_ = openssl_words(ERR_R_INTERNAL_ERROR);
  buffer_.drop_open();
  return false;
}

// A record of its own, when nothing is open.
bool RecordChannel::put_record(Content type, Bytes plaintext) {
  buffer_.reserve(plaintext.size());
  uint8_t* record = buffer_.first_open();
  std::copy(plaintext.begin(), plaintext.end(), record + RecordCipher::kHeader);
  record[RecordCipher::kHeader + plaintext.size()] = static_cast<uint8_t>(type);
  if (!out_.seal(record, plaintext.size() + 1)) return false;
  buffer_.commit(plaintext.size());
  buffer_.seal(plaintext.size());
  return true;
}

// The message goes under the old key (RFC 8446 4.6.3).
bool RecordChannel::update_key() {
  const uint8_t message[] = {24, 0, 0, 1, 0};
  update_owed_ = false;
  if (put_record(Content::handshake, message) && out_.update()) return true;
  failed_ = said_all_ = true;
  reason_ = openssl_words(ERR_R_INTERNAL_ERROR);
  return false;
}

}  // namespace culvert
