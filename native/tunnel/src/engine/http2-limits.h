#pragma once
#include <cstddef>
#include <cstdint>

#include "frame-output.h"

// What a peer may cost us beyond what the windows bound. Each of these has ended HTTP/2 servers before.
namespace culvert {

// docs/spec/hbone.md 1.2.
inline constexpr uint32_t kMaxConcurrentStreams = 200;
inline constexpr uint32_t kServerHeaderListSize = 65536, kClientHeaderListSize = 16384;

// Octets of one header block in HEADERS and CONTINUATION frames (CONTINUATION flood).
inline constexpr size_t kMaxHeaderBlock = 128 * 1024;
inline constexpr uint32_t kMaxContinuations = 32;

// Octets of a SETTINGS frame: more than there are settings, far less than a frame may have.
inline constexpr uint32_t kMaxSettings = 16384;

// What is framed, not taken by the peer, and grows because the peer asks for more: PING, SETTINGS and RST floods, answers
// to requests. Data alone stays below that.
inline constexpr size_t kMaxUnsent = 4 * 1024 * 1024;

// Frames that cost work and carry nothing: streams reset before their answer ("rapid reset"), streams that we reset for
// the peer's mistake ("made you reset"), streams above the allowed number, empty DATA, SETTINGS, PING, PRIORITY, unknown
// types. So many at once, and so many per second.
inline constexpr int64_t kNuisanceBurst = 2000, kNuisancePerSecond = 200;

// WINDOW_UPDATE frames: so many, and so many more for data that was sent, before they count as those above do. A peer that
// acknowledges every few hundred bytes is clumsy, not hostile. One that opens its window byte by byte pays as much as we.
inline constexpr int64_t kWindowUpdates = 10000, kBytesPerWindowUpdate = 256;

// Streams that we reset: the peer may not know yet and still send on them (RFC 9113 5.1). What comes on other streams
// that are over is an error.
inline constexpr size_t kRememberedResets = 256;

// Bytes framed and not yet taken by the kernel, above which streams wait. Who may move bulk stops earlier, so that what
// is quiet finds room behind the last read. All of it, as records, fits the largest block that a thread keeps.
inline constexpr size_t kBacklogLimit = 1792 * 1024, kBulkBacklogLimit = 512 * 1024;
static_assert(kBulkBacklogLimit + kBulkRead < kBacklogLimit);

// Until a server's SETTINGS have come.
inline constexpr uint32_t kAssumedConcurrentStreams = 100;

}  // namespace culvert
