#include <algorithm>

#include "http2-session.h"
#include "loop.h"

namespace culvert {

bool Http2Session::receive(Bytes bytes) {
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
      if (!on_frame_header()) return false;
    }
    Bytes part = bytes.first(std::min<size_t>(bytes.size(), frame_left_));
    bytes = bytes.subspan(part.size());
    frame_left_ -= static_cast<uint32_t>(part.size());
    if (frame_.type == FrameType::data) {
      if (!part.empty() && !on_data_part(part)) return false;
    } else if (frame_.type <= FrameType::continuation) {
      payload_.insert(payload_.end(), part.begin(), part.end());
    }
    if (frame_left_ > 0) return true;
    header_have_ = 0;
    bool good = on_frame_end();
    payload_.clear();
    // Whoever heard of the frame may have dropped the connection.
    if (!good || broken_) return false;
  }
  return true;
}

bool Http2Session::broken(Http2Error code, const char* reason) {
  if (broken_) return false;
  broken_ = true;
  reason_ = reason;
  send_goaway(last_peer_id_, code);
  return false;
}

bool Http2Session::count_nuisance() {
  int64_t time = now();
  nuisance_ = std::min(kNuisanceBurst, nuisance_ + (time - nuisance_at_) * kNuisancePerSecond / 1000);
  if (time - nuisance_at_ >= 5) nuisance_at_ = time;
  if (out.size() + owner_.unsent() > kBacklogLimit + kMaxUnreadControl) nuisance_ = 0;
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
      if (receive_window_ < 0) return broken(Http2Error::flow_control_error, "the connection's window is exceeded");
      data_stream_ = find(stream);
      if (length == 0 && (flags & flag::end_stream) == 0 && !count_nuisance()) return false;
      if (data_stream_ != nullptr) {
        data_stream_->receive_window -= length;
        if (data_stream_->remote_ended) stream_error(std::move(data_stream_), Http2Error::stream_closed);
        else if (data_stream_->receive_window < 0) stream_error(std::move(data_stream_), Http2Error::flow_control_error);
        else if (role_ == Role::client && !data_stream_->answered)
          stream_error(std::move(data_stream_), Http2Error::protocol_error);
      }
      if (data_stream_ == nullptr) credit_connection(length);
      return true;
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
      if (length % 6 != 0 || ((flags & flag::ack) != 0 && length != 0) || length > kMaxControlPayload) {
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
      if (length < 8 || length > kMaxControlPayload) {
        return broken(Http2Error::frame_size_error, "a GOAWAY frame has a wrong size");
      }
      return count_nuisance();
    case FrameType::window_update:
      if (length != 4) return broken(Http2Error::frame_size_error, "a WINDOW_UPDATE frame has a wrong size");
      if (stream != 0 && is_idle(stream)) return broken(Http2Error::protocol_error, "WINDOW_UPDATE on an idle stream");
      return true;
  }
  return count_nuisance();  // an unknown type: ignored
}

// A part of a DATA frame's payload, which starts with the length of its padding if it has any.
bool Http2Session::on_data_part(Bytes part) {
  size_t taken = part.size();
  if (!padding_known_) {
    padding_known_ = true;
    padding_ = part[0];
    if (padding_ >= frame_.length) return broken(Http2Error::protocol_error, "a frame is all padding");
    part = part.subspan(1);
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
  if (stream->listener != nullptr) stream->listener->on_data(part);
  else credit(*stream, part.size());
  return !broken_;
}

bool Http2Session::on_frame_end() {
  switch (frame_.type) {
    case FrameType::data: {
      if (!padding_known_) return broken(Http2Error::frame_size_error, "a padded frame has no padding length");
      StreamPtr stream = std::move(data_stream_);
      data_stream_.reset();
      if (stream != nullptr && stream->open && (frame_.flags & flag::end_stream) != 0) remote_end(stream);
      return true;
    }
    case FrameType::headers: return on_headers();
    case FrameType::continuation:
      block_.insert(block_.end(), payload_.begin(), payload_.end());
      return (frame_.flags & flag::end_headers) == 0 || on_header_block();
    case FrameType::rst_stream: return on_rst_stream();
    case FrameType::settings: return on_settings();
    case FrameType::ping: return on_ping();
    case FrameType::goaway: return on_goaway();
    case FrameType::window_update: return on_window_update();
    default: return true;
  }
}

bool Http2Session::on_headers() {
  Bytes block = payload_;
  if ((frame_.flags & flag::padded) != 0) {
    if (block.empty()) return broken(Http2Error::frame_size_error, "a padded frame has no padding length");
    size_t padding = block[0];
    block = block.subspan(1);
    if (padding > block.size()) return broken(Http2Error::protocol_error, "a frame is all padding");
    block = block.first(block.size() - padding);
  }
  if ((frame_.flags & flag::priority) != 0) {
    if (block.size() < 5) return broken(Http2Error::frame_size_error, "a HEADERS frame has a wrong size");
    block = block.subspan(5);
  }
  block_.assign(block.begin(), block.end());
  block_stream_ = frame_.stream;
  block_flags_ = frame_.flags;
  continuations_ = 0;
  return (frame_.flags & flag::end_headers) == 0 || on_header_block();
}

bool Http2Session::on_header_block() {
  HpackDecoder::Result result;
  size_t most = role_ == Role::server ? kServerHeaderListSize : kClientHeaderListSize;
  if (!decoder_.decode(block_, most, result)) return broken(Http2Error::compression_error, "a header block is broken");
  uint32_t id = block_stream_;
  block_stream_ = 0;
  block_ = {};
  StreamPtr stream = find(id);
  if (stream == nullptr) {
    if (!is_idle(id)) return count_nuisance();  // of a stream that is over: decoded for the table's sake
    if (role_ == Role::client || !is_peer_id(id)) {
      return broken(Http2Error::protocol_error, "HEADERS on a stream that nobody opened");
    }
    block_stream_ = id;
    bool good = on_request_block(result);
    block_stream_ = 0;
    return good;
  }
  if (stream->remote_ended) {
    stream_error(stream, Http2Error::stream_closed);
    return true;
  }
  bool ends = (block_flags_ & flag::end_stream) != 0;
  if (role_ == Role::client && !stream->answered) return on_response_block(*stream, result);
  if (!ends) stream_error(stream, Http2Error::protocol_error);
  else remote_end(stream);
  return true;
}

bool Http2Session::on_request_block(HpackDecoder::Result& result) {
  uint32_t id = block_stream_;
  // Above the last id of our own GOAWAY: the peer will ask somewhere else (RFC 9113 6.8).
  if (goaway_sent_ && id > goaway_last_) return count_nuisance();
  last_peer_id_ = id;
  if (streams_.size() >= kMaxConcurrentStreams) {
    put_u32_frame(FrameType::rst_stream, id, static_cast<uint32_t>(Http2Error::refused_stream));
    return count_nuisance();
  }
  auto request = parse_request(std::move(result.fields));
  if (!request && !result.too_large) {
    put_u32_frame(FrameType::rst_stream, id, static_cast<uint32_t>(Http2Error::protocol_error));
    return count_nuisance();
  }
  auto stream = std::make_shared<Http2Stream>();
  stream->id = id;
  stream->send_window = peer_initial_window_;
  stream->receive_window = settings_.stream_window;
  stream->remote_ended = (block_flags_ & flag::end_stream) != 0;
  streams_.emplace(id, stream);
  if (result.too_large) {
    respond(*stream, 431, {}, true);
    reset(*stream, Http2Error::no_error);
    return count_nuisance();
  }
  owner_.on_request(stream, std::move(*request));
  return !broken_;
}

bool Http2Session::on_response_block(Http2Stream& stream, HpackDecoder::Result& result) {
  StreamPtr kept = find(stream.id);
  auto response = result.too_large ? std::nullopt : parse_response(std::move(result.fields));
  bool ends = (block_flags_ & flag::end_stream) != 0;
  if (!response || (response->status < 200 && ends)) {
    stream_error(kept, Http2Error::protocol_error);
    return true;
  }
  if (response->status < 200) return count_nuisance();
  stream.answered = true;
  if (stream.listener != nullptr) stream.listener->on_response(response->status, std::move(response->headers));
  if (ends && stream.open) remote_end(kept);
  return !broken_;
}

void Http2Session::remote_end(StreamPtr stream) {
  stream->remote_ended = true;
  if (stream->listener != nullptr) stream->listener->on_end();
  close_if_ended(*stream);
}

void Http2Session::stream_error(StreamPtr stream, Http2Error code) {
  reset(*stream, code);
  if (stream->listener != nullptr) stream->listener->on_reset(code);
}

bool Http2Session::on_rst_stream() {
  StreamPtr stream = find(frame_.stream);
  if (stream == nullptr) return count_nuisance();
  // A reset before the answer is the work of "rapid reset".
  if (role_ == Role::server && !stream->answered && !count_nuisance()) return false;
  auto code = static_cast<Http2Error>(get_u32(payload_.data()));
  remove(*stream);
  if (stream->listener != nullptr) stream->listener->on_reset(code);
  return !broken_;
}

bool Http2Session::on_settings() {
  if ((frame_.flags & flag::ack) != 0) return true;
  greeted_ = true;
  for (size_t i = 0; i + 6 <= payload_.size(); i += 6) {
    auto id = static_cast<uint16_t>(payload_[i] << 8 | payload_[i + 1]);
    if (!on_setting(id, get_u32(&payload_[i + 2]))) return false;
  }
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
    case setting::initial_window_size: {
      if (value > kMaxWindow) return broken(Http2Error::flow_control_error, "a bad value of INITIAL_WINDOW_SIZE");
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
    case setting::max_frame_size:
      if (value < kSmallestMaxFrame || value > kLargestMaxFrame) {
        return broken(Http2Error::protocol_error, "a bad value of MAX_FRAME_SIZE");
      }
      peer_max_frame_ = value;
      return true;
    default: return true;
  }
}

bool Http2Session::on_ping() {
  if ((frame_.flags & flag::ack) != 0) owner_.on_pong();
  else put_frame(FrameType::ping, flag::ack, 0, payload_);
  return !broken_;
}

bool Http2Session::on_goaway() {
  uint32_t last = get_u32(payload_.data()) & kMaxWindow;
  auto code = static_cast<Http2Error>(get_u32(payload_.data() + 4));
  goaway_received_ = true;
  // What the peer has not begun and never will; what it has begun goes on.
  std::vector<StreamPtr> refused;
  for (auto& [id, stream] : streams_) {
    if (!is_peer_id(id) && id > last) refused.push_back(stream);
  }
  for (auto& queued : queued_) refused.push_back(queued.stream);
  queued_.clear();
  for (auto& stream : refused) {
    if (stream->id == 0) {
      stream->open = false;
      owner_.on_stream_ended();
    } else {
      remove(*stream);
    }
    if (stream->listener != nullptr) stream->listener->on_reset(Http2Error::refused_stream);
  }
  if (code != Http2Error::no_error && reason_.empty()) reason_ = std::string("the peer said GOAWAY ") + name(code);
  owner_.on_goaway();
  return !broken_;
}

bool Http2Session::on_window_update() {
  uint32_t more = get_u32(payload_.data()) & kMaxWindow;
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
  if (more == 0 || stream->send_window > kMaxWindow) {
    stream_error(stream, more == 0 ? Http2Error::protocol_error : Http2Error::flow_control_error);
    return count_nuisance();
  }
  if (stuck && stream->send_window > 0 && stream->listener != nullptr) stream->listener->on_writable();
  return !broken_;
}

}  // namespace culvert
