#include <algorithm>
#include <utility>

#include "clock.h"
#include "http2-session.h"

// From bytes to frames, what is wrong with each of them, and DATA.
namespace culvert {

bool Http2Session::receive(Room bytes) {
  if (broken_) return false;
  if (preface_ < kPrefaceLength) {
    size_t count = std::min(bytes.size(), kPrefaceLength - preface_);
    if (std::memcmp(bytes.data(), kPreface + preface_, count) != 0) {
      return broken(Http2Error::protocol_error, "the peer sent no HTTP/2 preface");
    }
    preface_ += count;
    bytes = bytes.subspan(count);
  }
  while (!bytes.empty()) {
    if (header_have_ < kFrameHeader) {
      size_t count = std::min(bytes.size(), kFrameHeader - header_have_);
      std::memcpy(header_bytes_ + header_have_, bytes.data(), count);
      header_have_ += count;
      bytes = bytes.subspan(count);
      if (header_have_ < kFrameHeader) return true;
      frame_ = get_frame_header(header_bytes_);
      frame_left_ = frame_.length;
      if (!on_frame_header() || broken_) return false;
    }
    Room part = bytes.first(std::min<size_t>(bytes.size(), frame_left_));
    Bytes payload = part;
    bytes = bytes.subspan(part.size());
    frame_left_ -= static_cast<uint32_t>(part.size());
    if (frame_.type == FrameType::data) {
      if (!part.empty() && !on_data_part(part)) return false;
    } else if (frame_left_ > 0 || !payload_.empty()) {
      // Comes in pieces.
      keep_payload(part);
      payload = payload_.bytes();
    }
    if (frame_left_ > 0) return true;
    header_have_ = 0;
    bool good = on_frame_end(payload);
    payload_.clear();
    // Whoever heard of the frame may have dropped the connection.
    if (!good || broken_) return false;
  }
  return true;
}

// What is never looked at is not kept: unknown frames, and the debug data of a GOAWAY.
void Http2Session::keep_payload(Bytes part) {
  size_t wanted = frame_.type > FrameType::continuation ? 0 : frame_.type == FrameType::goaway ? kGoaway : frame_.length;
  payload_.append(part.first(std::min(part.size(), wanted - std::min(wanted, payload_.size()))));
}

bool Http2Session::broken(Http2Error code, const char* reason) {
  if (broken_) return false;
  broken_ = true;
  reason_ = reason;
  send_goaway(std::min(last_peer_id_, goaway_last_), code);
  return false;
}

bool Http2Session::count_nuisance() {
  int64_t time = now();
  nuisance_ = std::min(kNuisanceBurst, nuisance_ + (time - nuisance_at_) * kNuisancePerSecond / 1000);
  if (time - nuisance_at_ >= 5) nuisance_at_ = time;
  if (overfull()) nuisance_ = 0;
  if (--nuisance_ >= 0) return true;
  return broken(Http2Error::enhance_your_calm, "the peer sends too many frames that carry nothing");
}

bool Http2Session::is_idle(uint32_t id) const { return is_peer_id(id) ? id > last_peer_id_ : id >= next_id_; }

// Everything that is wrong with a frame before its payload is known.
bool Http2Session::on_frame_header() {
  const auto [length, type, flags, stream] = frame_;
  if (length > settings_.max_frame_size) return broken(Http2Error::frame_size_error, "a frame is too large");
  if (!greeted_ && type != FrameType::settings) return broken(Http2Error::protocol_error, "no SETTINGS at first");
  if (block_stream_ != 0 && (type != FrameType::continuation || stream != block_stream_)) {
    return broken(Http2Error::protocol_error, "a header block is interrupted");
  }
  padding_ = 0;
  padding_known_ = (flags & flag::padded) == 0;
  data_stream_.reset();
  switch (type) {
    case FrameType::data:
      if (stream == 0 || is_idle(stream)) return broken(Http2Error::protocol_error, "DATA on an idle stream");
      // Padding counts too.
      receive_window_ -= length;
      uncredited_ += length;
      if (receive_window_ < 0) return broken(Http2Error::flow_control_error, "the connection's window is exceeded");
      data_stream_ = find(stream);
      if (length == 0 && (flags & flag::end_stream) == 0 && !count_nuisance()) return false;
      if (data_stream_ != nullptr) {
        data_stream_->receive_window -= length;
        auto problem = data_stream_->remote_ended                           ? Http2Error::stream_closed
                       : data_stream_->receive_window < 0                   ? Http2Error::flow_control_error
                       : role_ == Role::client && !data_stream_->answered ? Http2Error::protocol_error
                                                                            : Http2Error::no_error;
        if (problem != Http2Error::no_error && !stream_error(std::exchange(data_stream_, nullptr), problem)) return false;
      } else if (!may_still_send(stream)) {
        return broken(Http2Error::stream_closed, "DATA on a stream that is over");
      }
      if (data_stream_ == nullptr) credit_connection(length);
      return !broken_;
    case FrameType::headers:
      if (stream == 0) return broken(Http2Error::protocol_error, "HEADERS without a stream");
      if (length > kMaxHeaderBlock) return broken(Http2Error::enhance_your_calm, "a header block is too large");
      return true;
    case FrameType::continuation:
      if (block_stream_ == 0) return broken(Http2Error::protocol_error, "CONTINUATION without HEADERS");
      if (++continuations_ > kMaxContinuations || block_.size() + length > kMaxHeaderBlock) {
        return broken(Http2Error::enhance_your_calm, "a header block is too large");
      }
      return true;
    case FrameType::priority:
      if (stream == 0) return broken(Http2Error::protocol_error, "PRIORITY without a stream");
      if (length != 5) return broken(Http2Error::frame_size_error, "a PRIORITY frame has a wrong size");
      return count_nuisance();
    case FrameType::rst_stream:
      if (length != 4) return broken(Http2Error::frame_size_error, "a RST_STREAM frame has a wrong size");
      if (stream == 0 || is_idle(stream)) return broken(Http2Error::protocol_error, "RST_STREAM on an idle stream");
      return true;
    case FrameType::settings:
      if (stream != 0) return broken(Http2Error::protocol_error, "SETTINGS on a stream");
      if (length % 6 != 0 || ((flags & flag::ack) != 0 && length != 0) || length > kMaxSettings) {
        return broken(Http2Error::frame_size_error, "a SETTINGS frame has a wrong size");
      }
      if (!greeted_ && (flags & flag::ack) != 0) return broken(Http2Error::protocol_error, "no SETTINGS at first");
      return count_nuisance();
    case FrameType::push_promise: return broken(Http2Error::protocol_error, "PUSH_PROMISE is not enabled");
    case FrameType::ping:
      if (stream != 0) return broken(Http2Error::protocol_error, "PING on a stream");
      if (length != 8) return broken(Http2Error::frame_size_error, "a PING frame has a wrong size");
      return count_nuisance();
    case FrameType::goaway:
      if (stream != 0) return broken(Http2Error::protocol_error, "GOAWAY on a stream");
      if (length < kGoaway) return broken(Http2Error::frame_size_error, "a GOAWAY frame has a wrong size");
      return count_nuisance();
    case FrameType::window_update:
      if (length != 4) return broken(Http2Error::frame_size_error, "a WINDOW_UPDATE frame has a wrong size");
      if (stream != 0 && is_idle(stream)) return broken(Http2Error::protocol_error, "WINDOW_UPDATE on an idle stream");
      return true;
  }
  return count_nuisance();  // an unknown type: ignored
}

// A part of a DATA frame's payload, which starts with the length of its padding if it has any.
bool Http2Session::on_data_part(Room part) {
  size_t taken = part.size();
  if (!padding_known_) {
    padding_known_ = true;
    padding_ = part[0];
    if (padding_ >= frame_.length) return broken(Http2Error::protocol_error, "a frame is all padding");
    part = part.subspan(1);
    bool empty = padding_ + 1 == frame_.length && (frame_.flags & flag::end_stream) == 0;
    if (empty && !count_nuisance()) return false;
  }
  // The padding is what stands last in the frame.
  size_t behind = padding_ > frame_left_ ? padding_ - frame_left_ : 0;
  part = part.first(part.size() - std::min<size_t>(behind, part.size()));
  // Reset in the middle of a frame: the rest of it is nobody's.
  if (data_stream_ != nullptr && !data_stream_->open && frame_.stream == data_stream_->id) {
    credit_connection(taken);
    return true;
  }
  if (data_stream_ == nullptr) return true;
  if (taken > part.size()) credit(*data_stream_, taken - part.size());
  if (part.empty()) return true;
  StreamPtr stream = data_stream_;
  if (stream->listener == nullptr) {
    credit(*stream, part.size());
    return true;
  }
  if (!stream->in_batch) {
    stream->in_batch = true;
    batch_.push_back(stream);
  }
  stream->listener->on_data(part);
  return !broken_;
}

void Http2Session::end_batch() {
  // Who hears may come back with the end of the whole connection.
  for (auto& stream : std::exchange(batch_, {})) {
    stream->in_batch = false;
    if (stream->listener != nullptr) stream->listener->on_batch_end();
  }
}

bool Http2Session::on_frame_end(Bytes payload) {
  switch (frame_.type) {
    case FrameType::data: {
      if (!padding_known_) return broken(Http2Error::frame_size_error, "a padded frame has no padding length");
      StreamPtr stream = std::move(data_stream_);
      data_stream_.reset();
      if (stream != nullptr && stream->open && (frame_.flags & flag::end_stream) != 0) remote_end(stream);
      return !broken_;
    }
    case FrameType::headers: return on_headers(payload);
    case FrameType::continuation: return on_continuation(payload);
    case FrameType::rst_stream: return on_rst_stream(get_u32(payload.data()));
    case FrameType::settings: return on_settings(payload);
    case FrameType::ping: return on_ping(payload);
    case FrameType::goaway: return on_goaway(payload);
    case FrameType::window_update: return on_window_update(get_u32(payload.data()) & kMaxWindow);
    default: return true;
  }
}

void Http2Session::remote_end(StreamPtr stream) {
  stream->remote_ended = true;
  // First, since whoever hears of it may drop the stream: that is no reset when both have ended.
  close_if_ended(*stream);
  if (stream->listener != nullptr) stream->listener->on_end();
}

bool Http2Session::stream_error(StreamPtr stream, Http2Error code) {
  reset(*stream, code);
  if (stream->listener != nullptr) stream->listener->on_reset(code);
  return count_nuisance();
}

// A peer that may not know yet that a stream is over: we reset it, as far as we remember, or it is above the last id of
// our GOAWAY.
bool Http2Session::may_still_send(uint32_t id) const {
  return (is_peer_id(id) && id > goaway_last_) || id <= forgotten_reset_ || std::ranges::find(resets_, id) != resets_.end();
}

}  // namespace culvert
