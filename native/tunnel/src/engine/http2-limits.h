#pragma once
#include <cstddef>
#include <cstdint>

// What a peer may cost us beyond what the windows bound. Each of these has ended HTTP/2 servers before.
namespace culvert {

// docs/spec/hbone.md 1.2.
inline constexpr uint32_t kMaxConcurrentStreams = 200;
inline constexpr uint32_t kServerHeaderListSize = 65536, kClientHeaderListSize = 16384;

// Octets of one header block in HEADERS and CONTINUATION frames (CONTINUATION flood).
inline constexpr size_t kMaxHeaderBlock = 128 * 1024;
inline constexpr uint32_t kMaxContinuations = 32;

// Of SETTINGS and GOAWAY frames; more would be debug data or nonsense.
inline constexpr uint32_t kMaxControlPayload = 16384;

// Our own frames that a peer does not take while it causes more of them (PING, SETTINGS and RST floods).
inline constexpr size_t kMaxUnreadControl = 256 * 1024;

// Frames that cost work and carry nothing: streams reset before their answer, refused streams, empty DATA, SETTINGS,
// PING, unknown types. So many at once, and so many per second.
inline constexpr int64_t kNuisanceBurst = 2000, kNuisancePerSecond = 200;

// Bytes framed and not yet taken by the kernel, above which streams wait.
inline constexpr size_t kBacklogLimit = 1024 * 1024;

// Until a server's SETTINGS have come.
inline constexpr uint32_t kAssumedConcurrentStreams = 100;

}  // namespace culvert
