#include "stream-side.h"

namespace culvert {

StreamSide::StreamSide(std::shared_ptr<Tunnel> tunnel, std::shared_ptr<Http2Stream> stream)
    : tunnel_(std::move(tunnel)), stream_(std::move(stream)) {
  stream_->listener = this;
}

StreamSide::StreamSide(std::shared_ptr<Tunnel> tunnel, const std::string& authority,
                       const std::vector<HeaderField>& headers)
    : tunnel_(std::move(tunnel)), stream_(tunnel_->session().request(authority, headers, this)) {}

StreamSide::~StreamSide() {
  if (stream_->listener != this) return;
  stream_->listener = nullptr;
  abandon();
}

void StreamSide::start() {
  if (!early_.empty()) {
    Pieces early;
    early.add(early_.bytes());
    outward->deliver(early);
    early_.clear();
  }
  if (gone_) outward->source_closed(read_failure());
  else if (stream_->remote_ended) outward->source_ended();
}

void StreamSide::credit(size_t count) {
  uncredited_ -= count;
  tunnel_->session().credit(*stream_, count);
}

void StreamSide::discard(size_t count) {
  uncredited_ -= count;
  tunnel_->session().discard(count);
}

std::optional<std::string> StreamSide::read_failure() const {
  if (loss_ != TunnelLoss::no || code_ == Http2Error::no_error || code_ == Http2Error::cancel ||
      code_ == Http2Error::stream_closed) {
    return std::nullopt;
  }
  return std::string("io error: stream reset: ") + name(code_);
}

std::optional<std::string> StreamSide::shutdown_failure() const {
  if (loss_ == TunnelLoss::eof) return std::nullopt;
  if (loss_ == TunnelLoss::no && code_ == Http2Error::no_error) return std::nullopt;
  return "io error: broken pipe";
}

void StreamSide::abandon() {
  if (stream_->open) {
    bool server_said_all = tunnel_->is_server() && stream_->local_ended;
    tunnel_->session().reset(*stream_, server_said_all ? Http2Error::no_error : Http2Error::cancel);
  }
  batch_.reset();
  // Nobody will take it any more, and other streams want the connection's window.
  size_t left = uncredited_;
  uncredited_ = 0;
  tunnel_->session().credit(*stream_, left);
}

void StreamSide::on_response(int status, std::vector<HeaderField> headers) {
  if (on_answer) on_answer(status, std::move(headers));
}

void StreamSide::on_data(Room bytes) {
  uncredited_ += bytes.size();
  if (outward == nullptr) return early_.append(bytes);
  if (batch_ == nullptr) batch_ = tunnel_->loop().take_pieces();
  batch_->add(bytes);
  if (batch_->full()) on_batch_end();
}

void StreamSide::on_batch_end() {
  if (batch_ == nullptr) return;
  // Delivering may end in anything, another batch too.
  std::unique_ptr<Pieces> batch = std::move(batch_);
  Loop& loop = tunnel_->loop();
  outward->deliver(*batch);
  loop.give_pieces(std::move(batch));
}

void StreamSide::on_end() {
  on_batch_end();
  if (outward != nullptr) outward->source_ended();
}

void StreamSide::on_reset(Http2Error code) {
  code_ = code;
  went(std::string("stream reset: ") + name(code));
}

void StreamSide::on_lost(TunnelLoss loss, const std::string& reason) {
  loss_ = loss;
  went(reason);
}

void StreamSide::went(std::string reason) {
  on_batch_end();
  gone_ = true;
  if (outward == nullptr) {
    if (on_gone) on_gone(std::move(reason));
    return;
  }
  Direction* out = outward;
  Direction* in = inward;
  out->source_closed(read_failure());
  in->sink_closed();
}

void StreamSide::on_writable() {
  if (inward != nullptr) inward->sink_writable();
}

}  // namespace culvert
