#pragma once
#include "../../src/engine/record-channel.h"
#include "../certificates.h"

namespace culvert::fuzz {

// One end of a connection as a tunnel has it: OpenSSL to the end of the handshake, then our own records or not.
class TlsEnd {
 public:
  // `records_per_key` 0: OpenSSL goes on.
  TlsEnd(bool server, uint64_t records_per_key)
      : openssl_(std::make_unique<OpensslChannel>(*(server ? test::stock() : test::cart()), rule(server))),
        channel_(openssl_.get()), records_per_key_(records_per_key) {
    if (!server) openssl_->handshake();
  }

  bool open() const { return open_; }
  bool failed() const { return failed_; }
  TlsChannel& channel() { return *channel_; }
  OpensslChannel& openssl() { return *openssl_; }

  // `take` gets the plaintext.
  template <typename Take>
  void feed(std::vector<uint8_t> bytes, Take take) {
    if (bytes.empty() || failed_) return;
    channel_->feed(bytes);
    if (!open_) shake_hands();
    if (!open_ || failed_) return;
    uint8_t scratch[TlsChannel::kLargestPlaintext];
    TlsChannel::Plaintext got;
    while ((got = channel_->read(scratch)).got == TlsChannel::Got::data) take(Bytes(got.bytes));
    channel_->finish_reading();
    failed_ = got.got != TlsChannel::Got::nothing;
  }

  void say(Bytes text) {
    if (!open_ || failed_) return;
    channel_->append(text);
    failed_ = !channel_->seal();
  }

  void close() {
    if (open_ && !failed_) channel_->close();
  }

  std::vector<uint8_t> take(size_t most) {
    Bytes sealed = channel_->sealed();
    sealed = sealed.first(std::min(most, sealed.size()));
    std::vector<uint8_t> bytes(sealed.begin(), sealed.end());
    if (!bytes.empty()) channel_->sent(bytes.size());
    return bytes;
  }

 private:
  static PeerRule rule(bool server) {
    PeerRule rule;
    rule.peer_is_server = !server;
    rule.expected_identities = {test::kStock};
    rule.trust_domain = "mesh.test";
    return rule;
  }

  void shake_hands() {
    auto result = openssl_->handshake();
    failed_ = result == OpensslChannel::Handshake::failed;
    open_ = result == OpensslChannel::Handshake::done;
    if (!open_ || records_per_key_ == 0) return;
    records_ = RecordChannel::take_over(*openssl_, records_per_key_);
    if (records_ != nullptr) channel_ = records_.get();
  }

  std::unique_ptr<OpensslChannel> openssl_;
  std::unique_ptr<RecordChannel> records_;
  TlsChannel* channel_;
  uint64_t records_per_key_;
  bool open_ = false, failed_ = false;
};

}  // namespace culvert::fuzz
