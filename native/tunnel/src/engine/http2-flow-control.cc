#include <algorithm>

#include "http2-session.h"
#include "limits.h"

// DATA as far as windows and buffers allow (RFC 9113 5.2): what is sent, who waits, what the peer may send.
namespace culvert {

bool Http2Session::saturated() const {
  return has_blocked() || send_window_ <= 0 || held() >= settings_.connection_window / 4 * 3;
}

size_t Http2Session::backlog_limit(size_t most) const {
  if (owner_.short_of_memory()) return kHeldWhenShort;
  return most > kSmallRead ? kBulkBacklogLimit : kBacklogLimit;
}

void Http2Session::reserve_data(Http2Stream& stream, size_t most, Pieces& places) {
  places.clear();
  if (!stream.open || stream.local_ended) return;
  int64_t allowed = std::min({static_cast<int64_t>(most), stream.send_window, send_window_});
  if (allowed <= 0 || output_->backlog() >= backlog_limit(most)) {
    // A stream whose own window is used up is woken by its WINDOW_UPDATE.
    if (stream.send_window > 0 && !stream.blocked) {
      stream.blocked = true;
      blocked_.push_back(find(stream.id));
    }
    return;
  }
  // One large read, in as many frames as the peer's size takes.
  auto left = static_cast<size_t>(allowed);
  output_->reserve(left + (left + peer_max_frame_ - 1) / peer_max_frame_ * kFrameHeader);
  for (size_t offset = kFrameHeader; left > 0 && !places.full();) {
    size_t part = std::min<size_t>(left, peer_max_frame_);
    output_->places(offset, part, places);
    offset += part + kFrameHeader;
    left -= part;
  }
}

void Http2Session::commit_data(Http2Stream& stream, size_t count) {
  if (count == 0) return output_->commit(0);
  size_t end = 0;
  for (size_t left = count; left > 0;) {
    size_t part = std::min<size_t>(left, peer_max_frame_);
    uint8_t header[kFrameHeader];
    put_frame_header(header, {static_cast<uint32_t>(part), FrameType::data, 0, stream.id});
    output_->put(end, header);
    end += kFrameHeader + part;
    left -= part;
  }
  output_->commit(end);
  stream.send_window -= static_cast<int64_t>(count);
  send_window_ -= static_cast<int64_t>(count);
  window_updates_ = std::min(kWindowUpdates, window_updates_ + 4 + static_cast<int64_t>(count) / kBytesPerWindowUpdate);
  owner_.on_output();
}

void Http2Session::wake_blocked() {
  if (output_ == nullptr) return;
  size_t limit = backlog_limit(SIZE_MAX);
  // In turn: who fills the backlog again goes to the end of the line, and who had none stays where it was.
  for (size_t left = blocked_.size(); left > 0 && !blocked_.empty(); left--) {
    if (send_window_ <= 0 || output_->backlog() >= limit) return;
    StreamPtr stream = blocked_.front();
    blocked_.pop_front();
    stream->blocked = false;
    if (stream->open && stream->listener != nullptr) stream->listener->on_writable();
  }
}

size_t Http2Session::held() const {
  size_t to_come = header_have_ == kFrameHeader && frame_.type == FrameType::data ? frame_left_ : 0;
  return uncredited_ > to_come ? uncredited_ - to_come : 0;
}

void Http2Session::credit(Http2Stream& stream, size_t count) {
  taken(count);
  allow(stream, count);
}

void Http2Session::credit_connection(size_t count) {
  taken(count);
  allow_on_connection(count);
}

void Http2Session::taken(size_t count) {
  if (count == 0) return;
  uncredited_ -= count;
  owner_.on_credit();
}

void Http2Session::allow(Http2Stream& stream, size_t count) {
  if (count == 0) return;
  if (stream.open && !stream.remote_ended) {
    stream.unreturned += static_cast<uint32_t>(count);
    // A quarter of the window: seldom enough to cost nothing, early enough that a fast peer never waits.
    if (stream.unreturned >= settings_.stream_window / 4) {
      put_u32_frame(FrameType::window_update, stream.id, stream.unreturned);
      stream.receive_window += stream.unreturned;
      stream.unreturned = 0;
    }
  }
  allow_on_connection(count);
}

void Http2Session::allow_on_connection(size_t count) {
  if (count == 0) return;
  unreturned_ += static_cast<uint32_t>(count);
  if (unreturned_ < settings_.connection_window / 4 || broken_) return;
  put_u32_frame(FrameType::window_update, 0, unreturned_);
  receive_window_ += unreturned_;
  unreturned_ = 0;
}

}  // namespace culvert
