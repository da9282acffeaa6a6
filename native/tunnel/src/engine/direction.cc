#include "direction.h"

#include <algorithm>

namespace culvert {

void Direction::connect(Side& source, Side& sink) {
  source_ = &source;
  sink_ = &sink;
  source.outward = this;
  sink.inward = this;
}

void Direction::deliver(const Pieces& data) {
  // Not read any further, but not released either before the other direction ends.
  if (phase_ != Phase::copying) return source_->discard(data.size());
  if (sink_->closed()) {
    source_->discard(data.size());
    return fail_data();
  }
  bytes += data.size();
  size_t taken = held_.empty() ? sink_->write(data) : 0;
  for (size_t i = 0, skip = taken; i < data.count(); i++) {
    Bytes piece = data.at(i);
    size_t gone = std::min(skip, piece.size());
    skip -= gone;
    held_.append(piece.subspan(gone));
  }
  if (taken > 0) source_->credit(taken);
  // Found out while writing.
  if (phase_ == Phase::copying && sink_->closed()) sink_closed();
}

void Direction::source_ended() {
  if (phase_ != Phase::copying || source_ended_) return;
  source_ended_ = true;
  if (!holds()) end();
}

void Direction::source_closed(const std::optional<std::string>& failure) {
  if (phase_ != Phase::copying || source_ended_) return;
  if (failure) record(*failure);
  source_ended();
}

void Direction::end() {
  phase_ = Phase::ending;
  if (sink_->closed()) return sink_closed();
  sink_->end();
  finish();
}

void Direction::sink_writable() {
  if (phase_ == Phase::done) return;
  if (pipe_ != nullptr) {
    sink_->write(*pipe_);
    if (pipe_->empty()) pipe_.reset();
    if (sink_->closed()) return sink_closed();
    if (pipe_ != nullptr) return;
  }
  if (!held_.empty()) {
    Pieces held;
    held.add(held_.bytes());
    size_t taken = sink_->write(held);
    held_.consume(taken);
    if (taken > 0) source_->credit(taken);
    if (sink_->closed()) return sink_closed();
    if (!held_.empty()) return;
  }
  if (phase_ != Phase::copying) return;
  if (source_ended_) end();
  else source_->resume();
}

void Direction::sink_closed() {
  if (phase_ == Phase::done) return;
  if (holds()) return fail_data();
  // With nothing left to write it is no failure yet: the source may just end.
  if (phase_ == Phase::copying) {
    if (source_ended_) end();
    else source_->resume();
    return;
  }
  // A half-close error outranks the copy error of its direction.
  if (auto detail = sink_->shutdown_failure()) {
    failure_ = Failure{FailureCode::shutdown, (name_ == Name::send ? "send: " : "receive: ") + *detail};
  }
  finish();
}

void Direction::fail_data() {
  if (phase_ == Phase::done) return;
  record(std::string(name_ == Name::send ? "destination" : "client") + " disconnected before all data was written");
  finish();
}

void Direction::stop() {
  phase_ = Phase::done;
  held_.clear();
  pipe_.reset();
}

void Direction::record(const std::string& detail) {
  if (!failure_) failure_ = Failure{name_ == Name::send ? FailureCode::send : FailureCode::receive, detail};
}

void Direction::finish() {
  phase_ = Phase::done;
  source_->discard(held_.size());
  held_.clear();
  pipe_.reset();
  done_();
}

}  // namespace culvert
