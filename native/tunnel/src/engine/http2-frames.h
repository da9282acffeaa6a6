#pragma once
#include <cstdint>

#include "bytes.h"

// RFC 9113 section 4, 6 and 7, as numbers.
namespace culvert {

enum class FrameType : uint8_t {
  data = 0,
  headers = 1,
  priority = 2,
  rst_stream = 3,
  settings = 4,
  push_promise = 5,
  ping = 6,
  goaway = 7,
  window_update = 8,
  continuation = 9
};

namespace flag {
inline constexpr uint8_t end_stream = 0x1, ack = 0x1, end_headers = 0x4, padded = 0x8, priority = 0x20;
}

namespace setting {
inline constexpr uint16_t header_table_size = 1, enable_push = 2, max_concurrent_streams = 3, initial_window_size = 4,
                          max_frame_size = 5, max_header_list_size = 6;
}

enum class Http2Error : uint32_t {
  no_error = 0,
  protocol_error = 1,
  internal_error = 2,
  flow_control_error = 3,
  settings_timeout = 4,
  stream_closed = 5,
  frame_size_error = 6,
  refused_stream = 7,
  cancel = 8,
  compression_error = 9,
  connect_error = 10,
  enhance_your_calm = 11,
  inadequate_security = 12,
  http_1_1_required = 13
};

const char* name(Http2Error error);

inline constexpr size_t kFrameHeader = 9, kGoaway = 8;
inline constexpr uint32_t kDefaultWindow = 65535, kMaxWindow = 0x7fffffff;
inline constexpr uint32_t kSmallestMaxFrame = 16384, kLargestMaxFrame = 16777215;
inline constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
inline constexpr size_t kPrefaceLength = sizeof kPreface - 1;

struct FrameHeader {
  uint32_t length;
  FrameType type;
  uint8_t flags;
  uint32_t stream;
};

FrameHeader get_frame_header(const uint8_t* from);
void put_frame_header(uint8_t* to, const FrameHeader& header);

inline uint32_t get_u32(const uint8_t* from) {
  return static_cast<uint32_t>(from[0]) << 24 | static_cast<uint32_t>(from[1]) << 16 |
         static_cast<uint32_t>(from[2]) << 8 | from[3];
}

inline void put_u32(uint8_t* to, uint32_t value) {
  to[0] = static_cast<uint8_t>(value >> 24);
  to[1] = static_cast<uint8_t>(value >> 16);
  to[2] = static_cast<uint8_t>(value >> 8);
  to[3] = static_cast<uint8_t>(value);
}

}  // namespace culvert
