#pragma once
#include <sys/types.h>

#include <string>

#include "bytes.h"

namespace culvert {

// TLS over bytes that somebody else moves. OpenSSL does all of it today; the own record layer takes over after the
// handshake behind this same interface.
class TlsChannel {
 public:
  enum class Handshake { unfinished, done, failed };

  virtual ~TlsChannel() = default;

  // Ciphertext of the peer. It stays the caller's and is used up by calls of `handshake` and `read` until these want
  // more; only then may it go.
  virtual void feed(Bytes ciphertext) = 0;
  virtual Handshake handshake() = 0;

  static constexpr ssize_t kNothing = 0, kFailed = -1, kClosed = -2;
  // Plaintext: how much, or one of the above.
  virtual ssize_t read(Room room) = 0;
  // Seals all of it into `out`. False when the connection cannot be used any more.
  virtual bool write(Bytes plaintext) = 0;
  // Puts a close_notify into `out`.
  virtual void close() = 0;

  // Why it failed, in the words operators of ambient meshes search for.
  virtual std::string reason() const = 0;
  // First SPIFFE id in the peer's leaf; empty: none.
  virtual std::string peer_identity() const = 0;

  // Ciphertext for the peer.
  ByteQueue out;
};

}  // namespace culvert
