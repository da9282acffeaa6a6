#include "tunnel.h"

// How a tunnel ends: on its own, by its owner or its peer, and what is still sent then.
namespace culvert {

namespace {

// How long a closed connection waits for its peer to close too: closing with unread bytes would make the kernel send a
// reset, which can overtake what was sent last.
constexpr int64_t kLinger = 1000;

// How long the last bytes of streams that ended well wait for a peer that takes none of them. They may stand behind
// megabytes of others, or behind the window of an outer stream.
constexpr int64_t kUnsent = 20000;

}  // namespace

void Tunnel::release() {
  if (state_ == State::handshake) return destroy();
  if (state_ != State::open) return;
  if (!releasing_) session_.goaway(0);
  releasing_ = true;
  if (streams() == 0) linger(kUnsent);
}

void Tunnel::drain() {
  if (state_ == State::handshake) return destroy();
  if (state_ != State::open || announced_) return;
  announced_ = true;
  session_.announce_shutdown();
  session_.ping(Http2Session::Ping::drain);
}

void Tunnel::on_announced() {
  if (!announced_ || releasing_) return;
  // Whatever the peer asked for before it knew has come by now.
  session_.shut_down();
  releasing_ = true;
  if (streams() == 0) linger(kUnsent);
}

void Tunnel::destroy() {
  auto self = shared_from_this();
  if (state_ == State::closed) return;
  if (state_ == State::open) {
    if (is_server()) session_.shut_down();
    session_.lose(TunnelLoss::error, "the tunnel was closed");
    channel_->seal();
  }
  // Whether the peer takes it or not.
  if (transport_ != nullptr && !channel_->sealed().empty()) transport_->send(channel_->sealed());
  close();
}

void Tunnel::on_stream_ended() {
  if (state_ != State::open) return;
  if (releasing_ && streams() == 0) return linger(kUnsent);
  if (owner_ != nullptr) owner_->on_tunnel_changed(*this);
}

void Tunnel::on_goaway() {
  if (state_ != State::open) return;
  if (owner_ != nullptr) owner_->on_tunnel_changed(*this);
  // A peer that opens nothing more and has nothing open is about to close.
  if (state_ == State::open && !is_server() && streams() == 0) release();
}

void Tunnel::fail(Failure failure) {
  auto self = shared_from_this();
  if (state_ != State::handshake) return;
  state_ = State::closing;
  if (owner_ != nullptr) owner_->on_tunnel_failed(*this, std::move(failure));
  if (state_ == State::closing) linger(kLinger);
}

// What was on it hears so, and the peer gets what is left to say.
void Tunnel::lose(TunnelLoss loss, const std::string& reason) {
  auto self = shared_from_this();
  if (state_ != State::open) return;
  session_.lose(loss, reason);
  if (owner_ != nullptr) owner_->on_tunnel_changed(*this);
  linger(kLinger);
}

// `patience`: with a peer that takes nothing of what is left to send.
void Tunnel::linger(int64_t patience) {
  if (state_ == State::closed) return;
  patience_ = patience;
  if (state_ == State::open) {
    channel_->seal();
    channel_->close();
    state_ = State::closing;
    if (owner_ != nullptr) owner_->on_tunnel_changed(*this);
  }
  ping_.stop();
  loop_.keep(shared_from_this());
  deadline_.start(patience_);
  flush_.this_round();
}

// Everything was sent.
void Tunnel::finish() {
  if (finished_) return;
  finished_ = true;
  transport_->finish();
  deadline_.start(kLinger);
}

void Tunnel::on_linger_timeout() {
  if (!finished_) return close();
  // What the peer still sends to a closed socket resets it, and what the kernel has not sent would be lost.
  size_t left = transport_->unsent();
  stalled_ = left < unsent_ ? 0 : stalled_ + kLinger;
  unsent_ = left;
  if (left == 0 || stalled_ >= patience_) return close();
  deadline_.start(kLinger);
}

void Tunnel::close() {
  if (state_ == State::closed) return;
  auto self = shared_from_this();
  if (state_ == State::open) session_.lose(TunnelLoss::error, "the tunnel was closed");
  state_ = State::closed;
  deadline_.stop();
  ping_.stop();
  channel_->sent(channel_->sealed().size());
  if (transport_ != nullptr) transport_->close();
  loop_.let_go(self);
  loop_.retire(self);
  TunnelOwner* owner = owner_;
  owner_ = nullptr;
  if (owner != nullptr) owner->on_tunnel_closed(*this);
}

}  // namespace culvert
