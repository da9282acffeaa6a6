#include <utility>

#include "http2-session.h"

// Header blocks: requests, responses and trailers (RFC 9113 section 8).
namespace culvert {

bool Http2Session::on_headers(Bytes block) {
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
  bool ends = (frame_.flags & flag::end_stream) != 0;
  if ((frame_.flags & flag::end_headers) != 0) return on_header_block(frame_.stream, block, ends);
  block_.append(block);
  block_stream_ = frame_.stream;
  block_ends_stream_ = ends;
  continuations_ = 0;
  return true;
}

bool Http2Session::on_continuation(Bytes more) {
  block_.append(more);
  if ((frame_.flags & flag::end_headers) == 0) return true;
  bool good = on_header_block(std::exchange(block_stream_, 0), block_.bytes(), block_ends_stream_);
  block_.clear();
  return good;
}

bool Http2Session::on_header_block(uint32_t id, Bytes block, bool ends) {
  HpackDecoder::Result result;
  size_t most = role_ == Role::server ? kServerHeaderListSize : kClientHeaderListSize;
  if (!decoder_.decode(block, most, result)) return broken(Http2Error::compression_error, "a header block is broken");
  if (result.excessive) return broken(Http2Error::enhance_your_calm, "a header list is too large");
  StreamPtr stream = find(id);
  if (stream == nullptr) {
    if (role_ == Role::server && is_idle(id)) {
      if (!is_peer_id(id)) return broken(Http2Error::protocol_error, "HEADERS on a stream that is not the client's");
      return on_request_block(id, result, ends);
    }
    if (is_idle(id)) return broken(Http2Error::protocol_error, "HEADERS on a stream that nobody opened");
    if (may_still_send(id)) return count_nuisance();  // decoded for the table's sake
    bool request = role_ == Role::server && !result.fields.empty() && result.fields[0].first.starts_with(':');
    return request ? broken(Http2Error::protocol_error, "a stream id is not above the ones before")
                   : broken(Http2Error::stream_closed, "HEADERS on a stream that is over");
  }
  if (stream->remote_ended) return stream_error(stream, Http2Error::stream_closed);
  if (role_ == Role::client && !stream->answered) return on_response_block(stream, result, ends);
  // Trailers. A CONNECT has none (8.5), but they mean the same as END_STREAM (docs/spec/hbone.md 1.6).
  if (!ends || !valid_trailers(result.fields)) return stream_error(stream, Http2Error::protocol_error);
  remote_end(stream);
  return !broken_;
}

bool Http2Session::on_request_block(uint32_t id, HpackDecoder::Result& result, bool ends) {
  last_peer_id_ = id;
  // Above the last id of our own GOAWAY: the peer will ask somewhere else (6.8).
  if (id > goaway_last_) return count_nuisance();
  // Answered whatever becomes of it, and some peers never read.
  if (overfull()) return broken(Http2Error::enhance_your_calm, "the peer does not read its answers");
  if (streams_.size() >= kMaxConcurrentStreams) return refuse(id, Http2Error::refused_stream);
  auto request = parse_request(std::move(result.fields));
  if (!request && !result.too_large) return refuse(id, Http2Error::protocol_error);
  auto stream = std::make_shared<Http2Stream>();
  stream->id = id;
  stream->send_window = peer_initial_window_;
  stream->receive_window = settings_.stream_window;
  stream->remote_ended = ends;
  streams_.emplace(id, stream);
  if (result.too_large) {
    respond(*stream, 431, {}, true);
    reset(*stream, Http2Error::no_error);
    return count_nuisance();
  }
  owner_.on_request(stream, std::move(*request));
  return !broken_;
}

bool Http2Session::on_response_block(const StreamPtr& stream, HpackDecoder::Result& result, bool ends) {
  auto response = result.too_large ? std::nullopt : parse_response(std::move(result.fields));
  if (!response || (response->status < 200 && ends)) return stream_error(stream, Http2Error::protocol_error);
  if (response->status < 200) return count_nuisance();
  stream->answered = true;
  if (stream->listener != nullptr) stream->listener->on_response(response->status, std::move(response->headers));
  if (ends && stream->open) remote_end(stream);
  return !broken_;
}

// A request that never becomes a stream of its own.
bool Http2Session::refuse(uint32_t id, Http2Error code) {
  put_u32_frame(FrameType::rst_stream, id, static_cast<uint32_t>(code));
  remember_reset(id);
  return count_nuisance();
}

}  // namespace culvert
