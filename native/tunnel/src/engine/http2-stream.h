#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "bytes.h"
#include "http2-frames.h"
#include "values.h"

namespace culvert {

// What became of the tunnel under a stream: 'eof' when its transport just ended, without a close_notify.
enum class TunnelLoss { no, eof, error };

// Whoever the bytes of a stream are for.
class StreamListener {
 public:
  virtual ~StreamListener() = default;
  virtual void on_response(int status, std::vector<HeaderField> headers) = 0;
  // Valid until the batch ends.
  virtual void on_data(Room bytes) = 0;
  virtual void on_batch_end() = 0;
  // END_STREAM, or trailers, which mean the same.
  virtual void on_end() = 0;
  // RST_STREAM of the peer, or of ours for a mistake of the peer.
  virtual void on_reset(Http2Error code) = 0;
  virtual void on_lost(TunnelLoss loss, const std::string& reason) = 0;
  // Room again after `reserve_data` gave none.
  virtual void on_writable() = 0;
};

struct Http2Stream {
  uint32_t id = 0;  // 0: a request that waits for the peer's MAX_CONCURRENT_STREAMS
  StreamListener* listener = nullptr;
  int64_t send_window = 0, receive_window = 0;
  uint32_t unreturned = 0;  // bytes taken whose credit was not given back yet
  bool open = true;         // false: no frame may be sent for it any more
  bool answered = false;    // the response was sent or has come
  bool local_ended = false, remote_ended = false;
  bool left_out = false;    // by a GOAWAY: the peer never began with it, so it may be asked for elsewhere (RFC 9113 8.7)
  bool blocked = false;     // is among the session's blocked streams
  bool in_batch = false;    // heard data in the session's batch
};

}  // namespace culvert
