#pragma once
#include "../src/engine/http2-frames.h"
#include "fuzz/tls-end.h"
#include "socket.h"

namespace culvert::test {

// A client of an inbound listener that sends what it is told and answers nothing by itself.
class RawClient {
 public:
  explicit RawClient(const Endpoint& to);

  struct Frame {
    FrameHeader header;
    std::vector<uint8_t> payload;
  };

  // As records, for `Socket::send_all`.
  std::vector<uint8_t> seal(FrameType type, uint8_t flags, uint32_t stream, Bytes payload);
  std::vector<uint8_t> seal_connect(uint32_t stream, const Endpoint& authority);
  // The next frame of this kind; others are dropped. Fails when the connection ends before.
  Frame receive(FrameType type);

  Socket socket;

 private:
  std::vector<uint8_t> take() { return tls_.take(SIZE_MAX); }
  void read();

  fuzz::TlsEnd tls_{false, 0};
  ByteQueue plaintext_;
};

}  // namespace culvert::test
