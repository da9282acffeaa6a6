#include "http2-harness.h"

#include <algorithm>
#include <utility>

#include "must.h"

namespace culvert::fuzz {

namespace {

Http2Settings settings_from(uint8_t byte) {
  static const Http2Settings kinds[] = {{}, {16, 65535, 16384}, {65535, 65535, 16384}, {1024, 131072, 16385}};
  return kinds[byte % 4];
}

}  // namespace

// Holds what it heard until the input lets it give credit.
struct Http2Harness::Listener final : StreamListener {
  Listener(Http2Harness& harness, size_t window) : harness(harness), window(window) {}

  void on_response(int status, std::vector<HeaderField>) override {
    MUST(status >= 200 && status <= 999 && !over && !answered);
    answered = true;
    harness.act_inside();
  }
  void on_data(Room bytes) override {
    MUST(!over && !ended && !bytes.empty());
    held += bytes.size();
    harness.uncredited_ += bytes.size();
    // What the peer may send is bounded by the windows, and credit is held back for a quarter at most.
    MUST(held <= window);
    MUST(harness.uncredited_ <= harness.session_.held());
    MUST(harness.uncredited_ <= std::max(harness.settings_.connection_window, kDefaultWindow));
    harness.act_inside();
  }
  void on_batch_end() override { harness.act_inside(); }
  void on_end() override {
    MUST(!over && !ended);
    ended = true;
    harness.act_inside();
  }
  void on_reset(Http2Error) override { finish(); }
  void on_lost(TunnelLoss, const std::string&) override { finish(); }
  void on_writable() override {
    MUST(!over);
    harness.act_inside();
  }
  void finish() {
    MUST(!over);
    over = true;
    MUST(!stream->open);
    harness.act_inside();
  }
  void credit(size_t count) {
    count = std::min(count, held);
    held -= count;
    harness.uncredited_ -= count;
    harness.session_.credit(*stream, count);
  }

  Http2Harness& harness;
  const size_t window;
  std::shared_ptr<Http2Stream> stream;
  size_t held = 0;
  bool answered = false, ended = false, over = false;
};

Http2Harness::Http2Harness(Http2Session::Role role, Script& script)
    : role_(role), script_(script), settings_(settings_from(script.byte())), session_(role, settings_, *this) {
  preface_seen_ = role == Http2Session::Role::server;
  session_.start(output_);
  take_output();
}

Http2Harness::~Http2Harness() {
  for (auto& one : listeners_) {
    if (one->stream != nullptr) one->stream->listener = nullptr;
  }
}

Http2Harness::Listener& Http2Harness::listen() {
  listeners_.push_back(std::make_unique<Listener>(*this, settings_.stream_window));
  return *listeners_.back();
}

void Http2Harness::run() {
  if (role_ == Http2Session::Role::server && script_.byte() % 8 != 0) {
    feed({reinterpret_cast<const uint8_t*>(kPreface), kPrefaceLength});
  }
  while (!script_.at_end()) {
    uint8_t action = script_.byte();
    switch (action % 8) {
      case 0: feed(script_.bytes(script_.byte())); break;
      case 1:
      case 2:
      case 3: feed_frame(); break;
      case 4: feed_headers(); break;
      case 5: act_on_stream(); break;
      case 6: act(); break;
      case 7: take_output(); break;
    }
    MUST(output_.queue.size() < 16 * 1024 * 1024);
  }
  take_output();
}

void Http2Harness::feed(Input bytes) {
  if (bytes.empty()) return;
  // In one piece or two.
  size_t cut = script_.byte() % bytes.size();
  std::vector<uint8_t> copy(bytes.begin(), bytes.end());
  bool good = true;
  receiving_ = true;
  for (Room part : {Room(copy).first(cut), Room(copy).subspan(cut)}) {
    if (part.empty() || lost_ || !good) continue;
    good = session_.receive(part);
    // As a tunnel does: dropped in the middle, it does not go on.
    MUST(!lost_ || !good);
    MUST(good || lost_ || !session_.reason().empty());
    if (good && script_.byte() % 2 == 0) session_.end_batch();
  }
  if (good && !lost_) session_.end_batch();
  receiving_ = false;
  if (!good) lose();
}

void Http2Harness::lose() {
  if (std::exchange(lost_, true)) return;
  session_.lose(script_.byte() % 2 == 0 ? TunnelLoss::eof : TunnelLoss::error, "lost");
  MUST(session_.streams() == 0);
}

// A frame whose length is right, so that chance gets further than the header.
void Http2Harness::feed_frame() {
  uint8_t type = script_.byte() % 12, flags = script_.byte(), stream = script_.byte() % 16;
  Input payload = script_.bytes(script_.byte());
  size_t repeated = type == 0 ? 1 + size_t{script_.byte()} * 8 : 1;
  std::vector<uint8_t> frame(kFrameHeader + payload.size() * repeated);
  put_frame_header(frame.data(), {static_cast<uint32_t>(payload.size() * repeated), static_cast<FrameType>(type), flags, stream});
  for (size_t i = 0; i < repeated; i++) std::ranges::copy(payload, frame.begin() + kFrameHeader + static_cast<ptrdiff_t>(i * payload.size()));
  feed(frame);
}

void Http2Harness::feed_headers() {
  uint8_t kind = script_.byte();
  std::string block;
  if (role_ == Http2Session::Role::server) {
    HpackEncoder::field(block, ":method", (kind & 2) != 0 ? "GET" : "CONNECT");
    HpackEncoder::field(block, ":authority", "10.0.0.1:80");
    if ((kind & 2) != 0) HpackEncoder::field(block, ":scheme", "https");
    if ((kind & 2) != 0) HpackEncoder::field(block, ":path", "/");
  } else {
    HpackEncoder::field(block, ":status", (kind & 2) != 0 ? "103" : (kind & 4) != 0 ? "503" : "200");
  }
  if ((kind & 8) != 0) {
    Input value = script_.bytes(script_.byte());
    HpackEncoder::field(block, "baggage", {reinterpret_cast<const char*>(value.data()), value.size()});
  }
  auto id = static_cast<uint32_t>(script_.byte() % 64 * 2 + 1);
  std::vector<uint8_t> frame(kFrameHeader + block.size());
  auto flags = static_cast<uint8_t>(((kind & 1) != 0 ? flag::end_stream : 0) | flag::end_headers);
  put_frame_header(frame.data(), {static_cast<uint32_t>(block.size()), FrameType::headers, flags, id});
  std::ranges::copy(block, frame.begin() + kFrameHeader);
  feed(frame);
}

void Http2Harness::on_request(std::shared_ptr<Http2Stream> stream, Http2Request request) {
  MUST(role_ == Http2Session::Role::server && !request.method.empty());
  MUST(session_.streams() <= kMaxConcurrentStreams);
  Listener& listener = listen();
  listener.stream = std::move(stream);
  listener.ended = listener.stream->remote_ended;
  listener.stream->listener = &listener;
  act_inside();
}

void Http2Harness::on_stream_ended() {}

// Of a callback: most often nothing, but whatever an owner may do.
void Http2Harness::act_inside() {
  if (depth_ >= 3) return;
  uint8_t action = script_.byte();
  if (action % 4 != 3) return;
  depth_++;
  if ((action & 4) != 0) act();
  else act_on_stream();
  depth_--;
}

void Http2Harness::act() {
  uint8_t action = script_.byte();
  switch (action % 8) {
    case 0: advance_clock(action); break;
    case 1:
      if (!lost_) session_.ping(action < 128 ? Http2Session::Ping::keepalive : Http2Session::Ping::drain);
      break;
    case 2:
      if (!lost_) session_.announce_shutdown();
      break;
    case 3:
      if (!lost_) session_.shut_down();
      break;
    case 4:
      if (role_ == Http2Session::Role::client && session_.usable() && !lost_) {
        Listener& listener = listen();
        listener.stream = session_.request("10.0.0.1:80", {{"baggage", std::string(action, 'b')}}, &listener);
      }
      break;
    case 5: session_.wake_blocked(); break;
    case 6:
      if (action >= 128) lose();
      break;
    case 7:
      if (depth_ == 0) take_output();
      break;
  }
}

void Http2Harness::act_on_stream() {
  if (listeners_.empty()) return;
  Listener& listener = *listeners_[script_.byte() % listeners_.size()];
  if (listener.stream == nullptr) return;
  uint8_t action = script_.byte();
  Http2Stream& stream = *listener.stream;
  bool server = role_ == Http2Session::Role::server;
  switch (action % 8) {
    case 0:
    case 1:
      if (server && !lost_) session_.respond(stream, 200, {{"baggage", std::string(action, 'b')}}, action % 8 == 1);
      break;
    case 2:
    case 3: {
      if (lost_ || (server && !stream.answered)) break;
      size_t most = size_t{script_.byte()} * (action % 8 == 2 ? 1 : 4096) + 1;
      Pieces places;
      session_.reserve_data(stream, most, places);
      MUST(places.size() <= most);
      if (places.empty()) break;
      size_t count = std::min(places.size(), size_t{script_.byte()} * 1024);
      for (size_t i = 0, left = count; i < places.count() && left > 0; i++) {
        size_t part = std::min(left, places.at(i).size());
        std::memset(places.data()[i].iov_base, 'd', part);
        left -= part;
      }
      session_.commit_data(stream, count);
      break;
    }
    case 4:
      if (!lost_ && (!server || stream.answered) && stream.id != 0) session_.end(stream);
      break;
    case 5:
      if (stream.open && !lost_) {
        session_.reset(stream, Http2Error::cancel);
        listener.over = true;
      }
      break;
    case 6: listener.credit(script_.byte()); break;
    case 7: listener.credit(listener.held); break;
  }
}

// What a peer would get: whole frames, none for a stream that we ended.
void Http2Harness::take_output() {
  Bytes out = output_.queue.bytes();
  sent_.insert(sent_.end(), out.begin(), out.end());
  output_.queue.clear();
  Input left = sent_;
  if (!preface_seen_) {
    MUST(left.size() >= kPrefaceLength && std::equal(kPreface, kPreface + kPrefaceLength, left.begin()));
    left = left.subspan(kPrefaceLength);
    preface_seen_ = true;
  }
  while (!left.empty()) {
    MUST(left.size() >= kFrameHeader);
    FrameHeader frame = get_frame_header(left.data());
    MUST(left.size() - kFrameHeader >= frame.length);
    look_at_frame(frame, left.subspan(kFrameHeader, frame.length));
    left = left.subspan(kFrameHeader + frame.length);
  }
  sent_.clear();
  if (!receiving_) session_.wake_blocked();
}

void Http2Harness::look_at_frame(const FrameHeader& frame, Input) {
  MUST(frame.type <= FrameType::continuation && frame.type != FrameType::push_promise);
  MUST((continued_ != 0) == (frame.type == FrameType::continuation) && (continued_ == 0 || continued_ == frame.stream));
  bool block = frame.type == FrameType::headers || frame.type == FrameType::continuation;
  if (block) continued_ = (frame.flags & flag::end_headers) != 0 ? 0 : frame.stream;
  if (frame.stream == 0) return;
  bool& ended = ended_[frame.stream];
  MUST(!ended || frame.type == FrameType::rst_stream || frame.type == FrameType::window_update ||
       frame.type == FrameType::continuation);
  bool ends = (frame.type == FrameType::headers || frame.type == FrameType::data) && (frame.flags & flag::end_stream) != 0;
  ended = ended || ends || frame.type == FrameType::rst_stream;
}

}  // namespace culvert::fuzz
