#include <algorithm>
#include <utility>

#include "http2-session.h"

// The frames that say something about streams or the connection: RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE.
namespace culvert {

bool Http2Session::on_rst_stream(uint32_t code) {
  StreamPtr stream = find(frame_.stream);
  // Of a stream that is over: it crossed ours, or the peer's owner dropped what had ended. It costs nothing.
  if (stream == nullptr) return true;
  // A reset before the answer is the work of "rapid reset".
  if (role_ == Role::server && !stream->answered && !count_nuisance()) return false;
  remove(*stream);
  if (stream->listener != nullptr) stream->listener->on_reset(static_cast<Http2Error>(code));
  return !broken_;
}

bool Http2Session::on_settings(Bytes payload) {
  if ((frame_.flags & flag::ack) != 0) return true;
  greeted_ = true;
  // Changing the window of every stream is work: once for a frame, however often it says so.
  uint32_t initial_window = peer_initial_window_;
  for (size_t i = 0; i + 6 <= payload.size(); i += 6) {
    auto id = static_cast<uint16_t>(payload[i] << 8 | payload[i + 1]);
    uint32_t value = get_u32(&payload[i + 2]);
    if (id == setting::initial_window_size) initial_window = value;
    if (!on_setting(id, value)) return false;
  }
  if (initial_window != peer_initial_window_ && !on_initial_window(initial_window)) return false;
  put_frame(FrameType::settings, flag::ack, 0, {});
  send_queued();
  return true;
}

bool Http2Session::on_setting(uint16_t id, uint32_t value) {
  switch (id) {
    case setting::enable_push:
      if (value > 1 || (value == 1 && role_ == Role::client)) {
        return broken(Http2Error::protocol_error, "a bad value of ENABLE_PUSH");
      }
      return true;
    case setting::max_concurrent_streams: peer_max_streams_ = value; return true;
    case setting::initial_window_size:
      if (value > kMaxWindow) return broken(Http2Error::flow_control_error, "a bad value of INITIAL_WINDOW_SIZE");
      return true;
    case setting::max_frame_size:
      if (value < kSmallestMaxFrame || value > kLargestMaxFrame) {
        return broken(Http2Error::protocol_error, "a bad value of MAX_FRAME_SIZE");
      }
      peer_max_frame_ = value;
      return true;
    default: return true;
  }
}

// Open streams change by the difference, and may come to less than nothing (6.9.2).
bool Http2Session::on_initial_window(uint32_t value) {
  int64_t difference = static_cast<int64_t>(value) - peer_initial_window_;
  peer_initial_window_ = value;
  std::vector<StreamPtr> woken;
  for (auto& [_, stream] : streams_) {
    bool stuck = stream->send_window <= 0;
    stream->send_window += difference;
    if (stream->send_window > kMaxWindow) return broken(Http2Error::flow_control_error, "a window is too large");
    if (stuck && stream->send_window > 0) woken.push_back(stream);
  }
  for (auto& stream : woken) {
    if (stream->open && stream->listener != nullptr) stream->listener->on_writable();
  }
  return !broken_;
}

bool Http2Session::on_ping(Bytes payload) {
  if ((frame_.flags & flag::ack) == 0) put_frame(FrameType::ping, flag::ack, 0, payload);
  else if (std::ranges::equal(payload, ping_payload(Ping::keepalive))) owner_.on_pong(Ping::keepalive);
  else if (std::ranges::equal(payload, ping_payload(Ping::drain))) owner_.on_pong(Ping::drain);
  return !broken_;
}

bool Http2Session::on_goaway(Bytes payload) {
  uint32_t last = get_u32(payload.data()) & kMaxWindow;
  auto code = static_cast<Http2Error>(get_u32(payload.data() + 4));
  goaway_received_ = true;
  // What the peer has not begun and never will; what it has begun goes on.
  std::vector<StreamPtr> refused;
  for (auto& [id, stream] : streams_) {
    if (!is_peer_id(id) && id > last) refused.push_back(stream);
  }
  for (auto& queued : queued_) refused.push_back(queued.stream);
  queued_.clear();
  for (auto& stream : refused) {
    // Whoever heard of another may have dropped this one.
    if (!stream->open) continue;
    stream->left_out = true;
    if (stream->id == 0) {
      stream->open = false;
      owner_.on_stream_ended();
    } else {
      remember_reset(stream->id);
      remove(*stream);
    }
    if (stream->listener != nullptr) stream->listener->on_reset(Http2Error::refused_stream);
  }
  if (code != Http2Error::no_error && reason_.empty()) reason_ = std::string("the peer said GOAWAY ") + name(code);
  owner_.on_goaway();
  return !broken_;
}

bool Http2Session::on_window_update(uint32_t more) {
  if (--window_updates_ < 0 && !count_nuisance()) return false;
  if (frame_.stream == 0) {
    if (more == 0) return broken(Http2Error::protocol_error, "a WINDOW_UPDATE of nothing");
    send_window_ += more;
    if (send_window_ > kMaxWindow) return broken(Http2Error::flow_control_error, "a window is too large");
    wake_blocked();
    return !broken_;
  }
  StreamPtr stream = find(frame_.stream);
  if (stream == nullptr) return true;
  bool stuck = stream->send_window <= 0;
  stream->send_window += more;
  if (more == 0) return stream_error(stream, Http2Error::protocol_error);
  if (stream->send_window > kMaxWindow) return stream_error(stream, Http2Error::flow_control_error);
  if (stuck && stream->send_window > 0 && stream->listener != nullptr) stream->listener->on_writable();
  return !broken_;
}

}  // namespace culvert
