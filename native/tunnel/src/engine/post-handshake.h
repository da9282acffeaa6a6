#pragma once
#include <cstddef>
#include <cstdint>

#include "bytes.h"

namespace culvert {

// Why a connection ends: the alert for the peer, and OpenSSL's number for the reason.
struct Problem {
  uint8_t alert;
  int reason;
};

// The handshake messages that may follow a handshake (RFC 8446 4.6), over any number of records. None is kept: tickets
// are for sessions that we never resume.
class PostHandshake {
 public:
  explicit PostHandshake(bool client) : client_(client) {}

  enum class Message { none, key_update, key_update_requested, bad };

  // The content of one handshake record.
  Message read(Bytes part);
  // In the middle of a message, when no other record may come (RFC 8446 5.1).
  bool unfinished() const { return have_ > 0; }
  // After `bad`.
  Problem problem() const { return problem_; }

 private:
  Message begin();
  Message bad(uint8_t alert, int reason);

  const bool client_;
  uint8_t header_[4] = {};
  size_t have_ = 0, left_ = 0;  // bytes of the header; bytes of the body that are still to come
  Problem problem_{};
};

}  // namespace culvert
