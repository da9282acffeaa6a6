#include "post-handshake.h"

#include <openssl/ssl.h>

#include <algorithm>

namespace culvert {

namespace {

constexpr uint8_t kNewSessionTicket = 4, kKeyUpdate = 24;

// Its fields at their largest (RFC 8446 4.6.1).
constexpr size_t kLargestTicket = 4 + 4 + 1 + 255 + 2 + 65535 + 2 + 65534;

}  // namespace

PostHandshake::Message PostHandshake::bad(uint8_t alert, int reason) {
  problem_ = {alert, reason};
  return Message::bad;
}

// Whether this message may come at all, before any of it is waited for.
PostHandshake::Message PostHandshake::begin() {
  left_ = static_cast<size_t>(header_[1]) << 16 | static_cast<size_t>(header_[2]) << 8 | header_[3];
  switch (header_[0]) {
    case kNewSessionTicket:
      if (!client_) break;
      if (left_ <= kLargestTicket) return Message::none;
      return bad(SSL_AD_ILLEGAL_PARAMETER, SSL_R_EXCESSIVE_MESSAGE_SIZE);
    case kKeyUpdate:
      if (left_ == 1) return Message::none;
      return bad(SSL_AD_DECODE_ERROR, SSL_R_BAD_KEY_UPDATE);
  }
  // A CertificateRequest too: we never said that we would answer one.
  return bad(SSL_AD_UNEXPECTED_MESSAGE, SSL_R_UNEXPECTED_MESSAGE);
}

PostHandshake::Message PostHandshake::read(Bytes part) {
  while (!part.empty()) {
    if (have_ < sizeof header_) {
      header_[have_++] = part[0];
      part = part.subspan(1);
      if (have_ < sizeof header_) continue;
      if (begin() == Message::bad) return Message::bad;
    }
    size_t count = std::min(left_, part.size());
    if (count > 0 && header_[0] == kKeyUpdate) {
      // The keys change behind it, so nothing may follow in its record (RFC 8446 5.1).
      if (part.size() > 1) return bad(SSL_AD_UNEXPECTED_MESSAGE, SSL_R_NOT_ON_RECORD_BOUNDARY);
      if (part[0] > 1) return bad(SSL_AD_ILLEGAL_PARAMETER, SSL_R_BAD_KEY_UPDATE);
      have_ = left_ = 0;
      return part[0] == 1 ? Message::key_update_requested : Message::key_update;
    }
    left_ -= count;
    part = part.subspan(count);
    if (left_ == 0) have_ = 0;
  }
  return Message::none;
}

}  // namespace culvert
