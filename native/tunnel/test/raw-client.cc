#include "raw-client.h"

#include "../src/engine/hpack.h"
#include "check.h"

namespace culvert::test {

RawClient::RawClient(const Endpoint& to) : socket(Socket::connect(to)) {
  socket.send_all(take());
  while (!tls_.open()) {
    read();
    socket.send_all(take());
  }
  tls_.say({reinterpret_cast<const uint8_t*>(kPreface), kPrefaceLength});
  socket.send_all(seal(FrameType::settings, 0, 0, {}));
}

std::vector<uint8_t> RawClient::seal(FrameType type, uint8_t flags, uint32_t stream, Bytes payload) {
  std::vector<uint8_t> frame(kFrameHeader);
  put_frame_header(frame.data(), {static_cast<uint32_t>(payload.size()), type, flags, stream});
  frame.insert(frame.end(), payload.begin(), payload.end());
  tls_.say(frame);
  return take();
}

std::vector<uint8_t> RawClient::seal_connect(uint32_t stream, const Endpoint& authority) {
  std::string block;
  HpackEncoder::field(block, ":method", "CONNECT");
  HpackEncoder::field(block, ":authority", to_text(authority));
  return seal(FrameType::headers, flag::end_headers, stream, {reinterpret_cast<const uint8_t*>(block.data()), block.size()});
}

RawClient::Frame RawClient::receive(FrameType type) {
  for (;;) {
    Bytes have = plaintext_.bytes();
    FrameHeader header{};
    if (have.size() >= kFrameHeader) header = get_frame_header(have.data());
    if (have.size() < kFrameHeader || have.size() < kFrameHeader + header.length) {
      read();
      continue;
    }
    Bytes payload = have.subspan(kFrameHeader, header.length);
    Frame frame{header, {payload.begin(), payload.end()}};
    plaintext_.consume(kFrameHeader + header.length);
    if (header.type == type) return frame;
  }
}

void RawClient::read() {
  std::vector<uint8_t> part(65536);
  ssize_t count = socket.receive(part);
  CHECK(count > 0);
  part.resize(static_cast<size_t>(count));
  tls_.feed(std::move(part), [this](Bytes bytes) { plaintext_.append(bytes); });
  CHECK(!tls_.failed());
}

}  // namespace culvert::test
