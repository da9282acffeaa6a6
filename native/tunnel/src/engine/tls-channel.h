#pragma once
#include <string>

#include "frame-output.h"

namespace culvert {

// TLS after its handshake, over bytes that somebody else moves: frames in are sealed to ciphertext, ciphertext is opened
// to plaintext.
class TlsChannel : public FrameOutput {
 public:
  // Ciphertext of the peer, which may be opened in place. It stays the caller's and is used up by calls of `read` until
  // that has nothing more.
  virtual void feed(Room ciphertext) = 0;

  enum class Got { nothing, data, closed, failed };
  struct Plaintext {
    Got got;
    Room bytes;
  };
  // The next plaintext: in `scratch` (which takes a whole record), or somewhere else until `finish_reading`.
  virtual Plaintext read(Room scratch) = 0;
  // What was read is not needed any more.
  virtual void finish_reading() {}

  // Makes ciphertext of what was committed. False when the connection cannot be used any more.
  virtual bool seal() = 0;
  // Ends the ciphertext with a close_notify.
  virtual void close() = 0;

  // Ciphertext for the peer, of which so much was sent.
  virtual Bytes sealed() const = 0;
  virtual void sent(size_t count) = 0;

  // Why it failed, in the words operators of ambient meshes search for.
  virtual std::string reason() const = 0;

  static constexpr size_t kLargestPlaintext = 16384;
};

}  // namespace culvert
