#pragma once
#include <memory>
#include <optional>

#include "openssl-channel.h"
#include "post-handshake.h"
#include "record-buffer.h"
#include "record-cipher.h"
#include "tls-channel.h"

namespace culvert {

// TLS 1.3 after a handshake that OpenSSL did: its records, sealed and opened where they lie, KeyUpdate in both
// directions, alerts. What the connection is lives here: two secrets, two counters and what is on its way.
class RecordChannel final : public TlsChannel {
 public:
  // Takes a finished handshake over, with what it has not sent yet and what it was fed and has not read. Null: this one
  // is for OpenSSL to go on with. `records_per_key`: so many of ours, and a KeyUpdate follows.
  static std::unique_ptr<RecordChannel> take_over(OpensslChannel& finished, uint64_t records_per_key);

  void feed(Room ciphertext) override;
  Plaintext read(Room scratch) override;
  void finish_reading() override;
  bool seal() override;
  void close() override;
  Bytes sealed() const override { return buffer_.sealed(); }
  void sent(size_t count) override { buffer_.sent(count); }
  std::string reason() const override { return reason_; }

  void reserve(size_t count) override;
  void places(size_t offset, size_t count, Pieces& to) override { buffer_.places(offset, count, to); }
  void commit(size_t count) override;
  size_t backlog() const override { return buffer_.backlog(); }

 private:
  enum class Content : uint8_t { change_cipher_spec = 20, alert = 21, handshake = 22, application_data = 23 };

  RecordChannel(bool client, RecordCipher in, RecordCipher out, uint64_t records_per_key)
      : in_(std::move(in)), out_(std::move(out)), messages_(client), records_per_key_(records_per_key) {}

  uint8_t* next_record(size_t& length);
  Plaintext on_record(uint8_t* record, size_t length);
  Plaintext on_alert(Bytes alert);
  Plaintext on_handshake(Bytes part);
  Plaintext fail(Problem problem);

  bool seal_record(size_t plaintext);
  bool seal_open();
  bool put_record(Content type, Bytes plaintext);
  bool update_key();
  bool update_due() const { return update_owed_ || out_.records() >= records_per_key_; }

  RecordCipher in_, out_;
  PostHandshake messages_;
  RecordBuffer buffer_;
  const uint64_t records_per_key_;
  std::string reason_;

  Room input_;
  ByteQueue partial_;  // the beginning of a record
  ByteQueue opened_;   // one that came in parts, until what it held was read
  uint32_t idle_records_ = 0;  // in a row that carried no data
  bool update_owed_ = false;   // the peer wants our next key
  bool said_all_ = false;      // close_notify or an error alert was sent
  bool heard_all_ = false, failed_ = false;
};

}  // namespace culvert
