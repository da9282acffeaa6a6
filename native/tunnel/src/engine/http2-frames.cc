#include "http2-frames.h"

namespace culvert {

const char* name(Http2Error error) {
  static const char* const names[] = {"NO_ERROR",          "PROTOCOL_ERROR",      "INTERNAL_ERROR",   "FLOW_CONTROL_ERROR",
                                      "SETTINGS_TIMEOUT",  "STREAM_CLOSED",       "FRAME_SIZE_ERROR", "REFUSED_STREAM",
                                      "CANCEL",            "COMPRESSION_ERROR",   "CONNECT_ERROR",    "ENHANCE_YOUR_CALM",
                                      "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED"};
  auto code = static_cast<uint32_t>(error);
  return code < sizeof names / sizeof *names ? names[code] : "unknown error code";
}

FrameHeader get_frame_header(const uint8_t* from) {
  return {static_cast<uint32_t>(from[0]) << 16 | static_cast<uint32_t>(from[1]) << 8 | from[2],
          static_cast<FrameType>(from[3]), from[4], get_u32(from + 5) & kMaxWindow};
}

void put_frame_header(uint8_t* to, const FrameHeader& header) {
  to[0] = static_cast<uint8_t>(header.length >> 16);
  to[1] = static_cast<uint8_t>(header.length >> 8);
  to[2] = static_cast<uint8_t>(header.length);
  to[3] = static_cast<uint8_t>(header.type);
  to[4] = header.flags;
  put_u32(to + 5, header.stream);
}

}  // namespace culvert
