#include "http2-session.h"

#include <algorithm>
#include <utility>

#include "clock.h"

namespace culvert {

Http2Session::Http2Session(Role role, const Http2Settings& settings, Owner& owner)
    : role_(role), settings_(settings), owner_(owner), receive_window_(kDefaultWindow), nuisance_at_(now()) {
  if (role == Role::client) preface_ = kPrefaceLength;
}

void Http2Session::start(FrameOutput& output) {
  output_ = &output;
  bool client = role_ == Role::client;
  if (client) output.append({reinterpret_cast<const uint8_t*>(kPreface), kPrefaceLength});
  const std::pair<uint16_t, uint32_t> values[] = {
      client ? std::pair{setting::enable_push, 0u} : std::pair{setting::max_concurrent_streams, kMaxConcurrentStreams},
      {setting::initial_window_size, settings_.stream_window},
      {setting::max_frame_size, settings_.max_frame_size},
      {setting::max_header_list_size, client ? kClientHeaderListSize : kServerHeaderListSize}};
  uint8_t payload[sizeof values / sizeof *values * 6];
  uint8_t* to = payload;
  for (auto [id, value] : values) {
    to[0] = static_cast<uint8_t>(id >> 8);
    to[1] = static_cast<uint8_t>(id);
    put_u32(to + 2, value);
    to += 6;
  }
  put_frame(FrameType::settings, 0, 0, payload);
  if (settings_.connection_window > kDefaultWindow) {
    uint32_t more = settings_.connection_window - kDefaultWindow;
    put_u32_frame(FrameType::window_update, 0, more);
    receive_window_ += more;
  }
}

std::shared_ptr<Http2Stream> Http2Session::request(const std::string& authority,
                                                   const std::vector<HeaderField>& headers, StreamListener* listener) {
  auto stream = std::make_shared<Http2Stream>();
  stream->listener = listener;
  std::string block;
  HpackEncoder::field(block, ":method", "CONNECT");
  HpackEncoder::field(block, ":authority", authority);
  for (const auto& [name, value] : headers) HpackEncoder::field(block, name, value);
  if (streams_.size() >= peer_max_streams_) queued_.push_back({stream, std::move(block)});
  else send_request(stream, block);
  return stream;
}

void Http2Session::send_request(const StreamPtr& stream, const std::string& block) {
  stream->id = next_id_;
  next_id_ += 2;
  stream->send_window = peer_initial_window_;
  stream->receive_window = settings_.stream_window;
  streams_.emplace(stream->id, stream);
  put_headers(stream->id, block, false);
}

void Http2Session::send_queued() {
  while (!queued_.empty() && streams_.size() < peer_max_streams_ && !goaway_received_ && !broken_) {
    Queued next = std::move(queued_.front());
    queued_.pop_front();
    send_request(next.stream, next.block);
  }
}

void Http2Session::respond(Http2Stream& stream, int status, const std::vector<HeaderField>& headers, bool end) {
  if (!stream.open || stream.answered) return;
  std::string block;
  HpackEncoder::field(block, ":status", std::to_string(status));
  for (const auto& [name, value] : headers) HpackEncoder::field(block, name, value);
  stream.answered = true;
  put_headers(stream.id, block, end);
  if (!end) return;
  stream.local_ended = true;
  close_if_ended(stream);
}

void Http2Session::end(Http2Stream& stream) {
  if (!stream.open || stream.local_ended) return;
  put_frame(FrameType::data, flag::end_stream, stream.id, {});
  stream.local_ended = true;
  close_if_ended(stream);
}

void Http2Session::reset(Http2Stream& stream, Http2Error code) {
  // One whose last frame is being heard has ended: a reset would reach a peer that has forgotten it.
  if (!stream.open || (stream.local_ended && stream.remote_ended)) return;
  if (stream.id == 0) {
    // Never sent, so there is nothing to reset.
    stream.open = false;
    std::erase_if(queued_, [&](const Queued& queued) { return queued.stream.get() == &stream; });
    owner_.on_stream_ended();
    return;
  }
  put_u32_frame(FrameType::rst_stream, stream.id, static_cast<uint32_t>(code));
  remember_reset(stream.id);
  remove(stream);
}

void Http2Session::remember_reset(uint32_t id) {
  if (resets_.size() < kRememberedResets) return resets_.push_back(id);
  forgotten_reset_ = std::max(forgotten_reset_, std::exchange(resets_[next_reset_], id));
  next_reset_ = (next_reset_ + 1) % kRememberedResets;
}

// Told apart by the last octet.
std::array<uint8_t, 8> Http2Session::ping_payload(Ping ping) {
  return {'c', 'u', 'l', 'v', 'e', 'r', 't', static_cast<uint8_t>(ping)};
}

void Http2Session::ping(Ping ping) { put_frame(FrameType::ping, 0, 0, ping_payload(ping)); }

void Http2Session::goaway(uint32_t last) {
  if (broken_) return;
  goaway_sent_ = true;
  // Never more than was said before (RFC 9113 6.8).
  goaway_last_ = std::min(goaway_last_, last);
  send_goaway(goaway_last_, Http2Error::no_error);
}

void Http2Session::send_goaway(uint32_t last, Http2Error code) {
  uint8_t payload[8];
  put_u32(payload, last);
  put_u32(payload + 4, static_cast<uint32_t>(code));
  put_frame(FrameType::goaway, 0, 0, payload);
}

void Http2Session::lose(TunnelLoss loss, const std::string& reason) {
  broken_ = true;
  goaway_received_ = true;
  std::vector<StreamPtr> all;
  for (auto& [id, stream] : streams_) all.push_back(stream);
  for (auto& queued : queued_) all.push_back(queued.stream);
  streams_.clear();
  queued_.clear();
  blocked_.clear();
  batch_.clear();
  data_stream_.reset();
  for (auto& stream : all) stream->open = false;
  for (auto& stream : all) {
    if (stream->listener != nullptr) stream->listener->on_lost(loss, reason);
    owner_.on_stream_ended();
  }
}

void Http2Session::put_frame(FrameType type, uint8_t flags, uint32_t stream, Bytes payload) {
  uint8_t header[kFrameHeader];
  put_frame_header(header, {static_cast<uint32_t>(payload.size()), type, flags, stream});
  output_->reserve(kFrameHeader + payload.size());
  output_->put(0, header);
  if (!payload.empty()) output_->put(kFrameHeader, payload);
  output_->commit(kFrameHeader + payload.size());
  owner_.on_output();
}

void Http2Session::put_headers(uint32_t stream, std::string block, bool end) {
  // A table of size 0 (RFC 7541 6.3): whatever HEADER_TABLE_SIZE the peer sets, we need not answer to it.
  if (!table_dropped_) block.insert(block.begin(), 0x20);
  table_dropped_ = true;
  Bytes left{reinterpret_cast<const uint8_t*>(block.data()), block.size()};
  FrameType type = FrameType::headers;
  uint8_t flags = end ? flag::end_stream : 0;
  do {
    Bytes part = left.first(std::min<size_t>(left.size(), peer_max_frame_));
    left = left.subspan(part.size());
    put_frame(type, static_cast<uint8_t>(flags | (left.empty() ? flag::end_headers : 0)), stream, part);
    type = FrameType::continuation;
    flags = 0;
  } while (!left.empty());
}

void Http2Session::put_u32_frame(FrameType type, uint32_t stream, uint32_t value) {
  uint8_t payload[4];
  put_u32(payload, value);
  put_frame(type, 0, stream, payload);
}

Http2Session::StreamPtr Http2Session::find(uint32_t id) const {
  auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second;
}

void Http2Session::close_if_ended(Http2Stream& stream) {
  if (stream.open && stream.local_ended && stream.remote_ended) remove(stream);
}

void Http2Session::remove(Http2Stream& stream) {
  StreamPtr kept = find(stream.id);
  if (kept == nullptr) return;
  stream.open = false;
  streams_.erase(stream.id);
  if (stream.blocked) std::erase(blocked_, kept);
  send_queued();
  owner_.on_stream_ended();
}

}  // namespace culvert
