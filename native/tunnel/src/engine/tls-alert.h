#pragma once
#include <cstdint>
#include <string>

namespace culvert {

// For the log: what a peer ended its connection with (RFC 8446 6).
std::string alert_reason(uint8_t alert);

}  // namespace culvert
