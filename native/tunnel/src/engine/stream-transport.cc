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
  Room room = outer_->session().reserve_data(*stream_, bytes.size());
  if (room.empty()) return 0;
  std::memcpy(room.data(), bytes.data(), room.size());
  outer_->session().commit_data(*stream_, room.size());
  return static_cast<ssize_t>(room.size());
}

void StreamTransport::finish() { outer_->session().end(*stream_); }

void StreamTransport::close() { outer_->session().reset(*stream_, Http2Error::cancel); }

void StreamTransport::on_data(Bytes bytes) {
  auto inner = inner_.shared_from_this();
  inner->on_bytes(bytes);
  // Taken whatever became of it: what the inner tunnel holds back is bounded by its own windows.
  outer_->session().credit(*stream_, bytes.size());
}

void StreamTransport::on_end() { inner_.on_transport_end(0); }

void StreamTransport::on_reset(Http2Error) { inner_.on_transport_end(ECONNRESET); }

void StreamTransport::on_lost(TunnelLoss loss, const std::string&) {
  inner_.on_transport_end(loss == TunnelLoss::eof ? 0 : ECONNRESET);
}

}  // namespace culvert
