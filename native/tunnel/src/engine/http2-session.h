#pragma once
#include <array>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "frame-output.h"
#include "hpack.h"
#include "http2-headers.h"
#include "http2-limits.h"
#include "http2-stream.h"
#include "values.h"

namespace culvert {

// One HTTP/2 connection of either role, bytes in and bytes out, for CONNECT streams: what tunnels need, and every other
// frame as RFC 9113 says.
class Http2Session {
 public:
  enum class Ping : uint8_t { keepalive, drain };

  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void on_request(std::shared_ptr<Http2Stream> stream, Http2Request request) = 0;
    // The output has something to flush.
    virtual void on_output() = 0;
    // Less is held.
    virtual void on_credit() = 0;
    // Who holds bytes shall take no more for now.
    virtual bool short_of_memory() const = 0;
    virtual void on_stream_ended() = 0;
    virtual void on_goaway() = 0;
    virtual void on_pong(Ping ping) = 0;
  };

  enum class Role { client, server };

  Http2Session(Role role, const Http2Settings& settings, Owner& owner);

  // Preface, SETTINGS and the connection's window. Nothing is sent before.
  void start(FrameOutput& output);

  // False: the connection is broken, GOAWAY is in the output and `reason` says why. What streams hear stays where it is
  // until they are told that the batch ends.
  bool receive(Room bytes);
  void end_batch();

  const std::string& reason() const { return reason_; }
  // The peer's SETTINGS have come.
  bool greeted() const { return greeted_; }
  size_t streams() const { return streams_.size() + queued_.size(); }
  // May take another request.
  bool usable() const { return !goaway_received_ && !goaway_sent_ && next_id_ < kMaxWindow; }

  std::shared_ptr<Http2Stream> request(const std::string& authority, const std::vector<HeaderField>& headers,
                                       StreamListener* listener);
  void respond(Http2Stream& stream, int status, const std::vector<HeaderField>& headers, bool end);

  // Places for at most `most` bytes in DATA frames; none: wait for `on_writable`.
  void reserve_data(Http2Stream& stream, size_t most, Pieces& places);
  // So much of it is there now.
  void commit_data(Http2Stream& stream, size_t count);
  void end(Http2Stream& stream);

  // Bytes of DATA that came and were not taken yet.
  size_t held() const;
  // The application took so many bytes of a stream, which may be over by now: `allow` and `taken` in one.
  void credit(Http2Stream& stream, size_t count);
  // The peer may send so many more, on the stream and on the connection, though what came is still held.
  void allow(Http2Stream& stream, size_t count);
  // So many bytes are held no longer.
  void taken(size_t count);
  // So many bytes of a stream will never be taken: room for the other streams, none for this one.
  void discard(size_t count) { credit_connection(count); }

  void reset(Http2Stream& stream, Http2Error code);

  void ping(Ping ping);
  // No streams above `last`; NO_ERROR.
  void goaway(uint32_t last);
  // Said by a server that shuts down: what has begun goes on.
  void announce_shutdown() { send_goaway(kMaxWindow, Http2Error::no_error); }
  void shut_down() { goaway(last_peer_id_); }
  // No request was ever or will ever be answered: every stream hears of it.
  void lose(TunnelLoss loss, const std::string& reason);
  // After a flush.
  void wake_blocked();
  bool has_blocked() const { return !blocked_.empty(); }
  // Another stream would wait for others: what it sends, or, with the connection's window held by slow applications,
  // what it is to receive.
  bool saturated() const;

 private:
  using StreamPtr = std::shared_ptr<Http2Stream>;

  // Receiving (http2-receive.cc). Each returns false after `broken`.
  bool broken(Http2Error code, const char* reason);
  bool on_frame_header();
  bool on_data_part(Room part);
  bool on_frame_end(Bytes payload);
  void keep_payload(Bytes part);
  void remote_end(StreamPtr stream);
  bool is_idle(uint32_t id) const;
  bool is_peer_id(uint32_t id) const { return (id % 2 == 1) == (role_ == Role::server); }

  // Header blocks (http2-header-blocks.cc).
  bool on_headers(Bytes block);
  bool on_continuation(Bytes more);
  bool on_header_block(uint32_t id, Bytes block, bool ends);
  bool on_request_block(uint32_t id, HpackDecoder::Result& result, bool ends);
  bool on_response_block(const StreamPtr& stream, HpackDecoder::Result& result, bool ends);
  bool refuse(uint32_t id, Http2Error code);

  // The other frames (http2-control-frames.cc).
  bool on_rst_stream(uint32_t code);
  bool on_settings(Bytes payload);
  bool on_setting(uint16_t id, uint32_t value);
  bool on_initial_window(uint32_t value);
  bool on_ping(Bytes payload);
  bool on_goaway(Bytes payload);
  bool on_window_update(uint32_t more);

  // What a peer may cost.
  bool count_nuisance();
  bool overfull() const { return output_->backlog() > kMaxUnsent; }
  bool stream_error(StreamPtr stream, Http2Error code);
  void remember_reset(uint32_t id);
  bool may_still_send(uint32_t id) const;

  // Sending (http2-session.cc; DATA in http2-flow-control.cc).
  void put_frame(FrameType type, uint8_t flags, uint32_t stream, Bytes payload);
  void put_headers(uint32_t stream, std::string block, bool end);
  static std::array<uint8_t, 8> ping_payload(Ping ping);
  void put_u32_frame(FrameType type, uint32_t stream, uint32_t value);
  void send_goaway(uint32_t last, Http2Error code);
  void credit_connection(size_t count);
  void allow_on_connection(size_t count);
  void send_request(const StreamPtr& stream, const std::string& block);
  void send_queued();
  size_t backlog_limit(size_t most) const;
  StreamPtr find(uint32_t id) const;
  void close_if_ended(Http2Stream& stream);
  void remove(Http2Stream& stream);

  struct Queued {
    StreamPtr stream;
    std::string block;
  };

  const Role role_;
  const Http2Settings settings_;
  Owner& owner_;
  FrameOutput* output_ = nullptr;
  std::string reason_;

  std::unordered_map<uint32_t, StreamPtr> streams_;
  std::deque<Queued> queued_;
  std::deque<StreamPtr> blocked_;
  std::vector<StreamPtr> batch_;             // heard data in this batch
  uint32_t next_id_ = 1, last_peer_id_ = 0;  // the latter is the highest that was seen, whatever became of it
  std::vector<uint32_t> resets_;             // of ours, the last ones, in a ring
  size_t next_reset_ = 0;
  uint32_t forgotten_reset_ = 0;             // the highest that was overwritten
  bool goaway_received_ = false, goaway_sent_ = false, broken_ = false, greeted_ = false;
  uint32_t goaway_last_ = kMaxWindow;  // the id in our own GOAWAY

  // What the peer allows.
  int64_t send_window_ = kDefaultWindow;
  uint32_t peer_initial_window_ = kDefaultWindow, peer_max_frame_ = kSmallestMaxFrame;
  uint32_t peer_max_streams_ = kAssumedConcurrentStreams;

  // What we allow.
  int64_t receive_window_;
  uint32_t unreturned_ = 0;
  uint64_t uncredited_ = 0;  // of the DATA frames whose header came

  int64_t nuisance_ = kNuisanceBurst, nuisance_at_, window_updates_ = kWindowUpdates;

  // The frame that is being read.
  size_t preface_ = 0;
  uint8_t header_bytes_[kFrameHeader];
  size_t header_have_ = 0;
  FrameHeader frame_{};
  uint32_t frame_left_ = 0;
  ByteQueue payload_;
  StreamPtr data_stream_;
  uint32_t padding_ = 0;
  bool padding_known_ = false;

  // The header block that is being read; 0: none.
  uint32_t block_stream_ = 0, continuations_ = 0;
  bool block_ends_stream_ = false;
  ByteQueue block_;
  HpackDecoder decoder_;
  bool table_dropped_ = false;  // the peer knows that we use no table
};

}  // namespace culvert
