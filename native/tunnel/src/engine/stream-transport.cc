#include "stream-transport.h"

#include <cerrno>

namespace culvert {

StreamTransport::StreamTransport(std::shared_ptr<Tunnel> outer, std::shared_ptr<Http2Stream> stream, Tunnel& inner)
    : outer_(std::move(outer)), stream_(std::move(stream)), inner_(inner) {
  stream_->listener = this;
}

StreamTransport::~StreamTransport() {
  if (stream_->listener == this) stream_->listener = nullptr;
}

ssize_t StreamTransport::send(Bytes bytes) {
  if (!stream_->open || stream_->local_ended) return -1;
  Pieces places;
  outer_->session().reserve_data(*stream_, bytes.size(), places);
  if (places.empty()) return 0;
  for (size_t i = 0; i < places.count(); i++) {
    Bytes place = places.at(i);
    std::memcpy(const_cast<uint8_t*>(place.data()), bytes.data(), place.size());
    bytes = bytes.subspan(place.size());
  }
  outer_->session().commit_data(*stream_, places.size());
  return static_cast<ssize_t>(places.size());
}

void StreamTransport::finish() { outer_->session().end(*stream_); }

void StreamTransport::close() {
  hold(0);
  outer_->session().reset(*stream_, Http2Error::cancel);
}

void StreamTransport::on_data(Room bytes) {
  auto inner = inner_.shared_from_this();
  // What the inner tunnel holds, its own windows bound. Were this stream's to bound it too, as much as they do, nothing
  // could pass beside what an application does not take: no answer to a PING, without which the inner tunnel is lost.
  outer_->session().allow(*stream_, bytes.size());
  held_ += bytes.size();
  inner->on_bytes(bytes);
  hold(inner->session().held());
}

// For want of memory the outer tunnel is not read while the inner one holds something.
void StreamTransport::hold(size_t count) {
  if (held_ <= count) return;
  size_t passed_on = held_ - count;
  held_ = count;
  outer_->session().taken(passed_on);
}

void StreamTransport::on_end() { inner_.on_transport_end(0); }

void StreamTransport::on_reset(Http2Error) { inner_.on_transport_end(ECONNRESET); }

void StreamTransport::on_lost(TunnelLoss loss, const std::string&) {
  inner_.on_transport_end(loss == TunnelLoss::eof ? 0 : ECONNRESET);
}

}  // namespace culvert
