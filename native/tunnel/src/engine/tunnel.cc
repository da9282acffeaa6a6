#include "tunnel.h"

#include <cerrno>

namespace culvert {

namespace {

// docs/spec/hbone.md 1.7, in milliseconds.
constexpr int64_t kPingInterval = 10000, kPingTimeout = 20000;

PeerRule peer_rule(const Tunnel::Options& options, const Loop& loop, CertificatePath& path) {
  bool client = options.role == Http2Session::Role::client;
  return {client, options.expected_identities, options.credential->trust_domain(), &loop.revocations, &path};
}

}  // namespace

Tunnel::Tunnel(Loop& loop, Options options, TunnelOwner* owner)
    : loop_(loop), options_(std::move(options)), owner_(owner),
      openssl_(std::make_unique<OpensslChannel>(*options_.credential, peer_rule(options_, loop, peer_path_))),
      channel_(openssl_.get()),
      session_(options_.role, options_.http2, *this), flush_(loop, [this] { flush(); }),
      wake_(loop, [this] { session_.wake_blocked(); }), deadline_(loop, [this] { on_handshake_timeout(); }),
      ping_(loop, [this] { on_ping_time(); }) {}

void Tunnel::start(std::unique_ptr<Transport> transport) {
  transport_ = std::move(transport);
  if (options_.handshake_timeout > 0) deadline_.start(options_.handshake_timeout);
  if (!is_server()) shake_hands();
}

void Tunnel::on_bytes(Room ciphertext) {
  auto self = shared_from_this();
  if (state_ == State::closing || state_ == State::closed) return;
  channel_->feed(ciphertext);
  if (state_ == State::handshake) shake_hands();
  if (state_ == State::open) read_plaintext();
}

bool Tunnel::revoked() const {
  return peer_path_ != nullptr && loop_.revocations != nullptr &&
         loop_.revocations->judge(peer_path_.get()) == X509_V_ERR_CERT_REVOKED;
}

void Tunnel::shake_hands() {
  OpensslChannel::Handshake result = openssl_->handshake();
  if (!channel_->sealed().empty()) flush_.this_round();
  if (result == OpensslChannel::Handshake::failed) return fail_handshake(channel_->reason());
  if (result == OpensslChannel::Handshake::unfinished) return;
  state_ = State::open;
  peer_identity_ = openssl_->peer_identity();
  if (!is_server()) deadline_.stop();
  use_own_records();
  session_.start(*channel_);
  ping_.start(kPingInterval);
  if (owner_ != nullptr) owner_->on_tunnel_open(*this);
}

void Tunnel::use_own_records() {
  if (!options_.tls.own_records) return;
  records_ = RecordChannel::take_over(*openssl_, options_.tls.records_per_key);
  if (records_ == nullptr) return;
  channel_ = records_.get();
  openssl_.reset();
}

void Tunnel::read_plaintext() {
  Room buffer = loop_.plain_buffer(options_.depth), scratch = buffer;
  TlsChannel::Plaintext read;
  while ((read = channel_->read(scratch)).got == TlsChannel::Got::data) {
    bool good = session_.receive(read.bytes);
    if (state_ != State::open) return;
    if (!good) {
      if (is_server() && !session_.greeted() && owner_ != nullptr && !reported_) {
        reported_ = true;
        owner_->on_tunnel_failed(*this, {FailureCode::http2_handshake, session_.reason()});
      }
      return lose(TunnelLoss::error, session_.reason());
    }
    if (session_.greeted() && is_server()) deadline_.stop();
    if (read.bytes.data() != scratch.data()) continue;
    scratch = scratch.subspan(read.bytes.size());
    if (scratch.size() >= TlsChannel::kLargestPlaintext) continue;
    session_.end_batch();
    if (state_ != State::open) return;
    scratch = buffer;
  }
  session_.end_batch();
  if (state_ != State::open) return;
  channel_->finish_reading();
  // Unlike an end without a close_notify, which a peer that was killed leaves, this was meant.
  if (read.got == TlsChannel::Got::closed) lose(TunnelLoss::error, "connection closed by its peer");
  if (read.got == TlsChannel::Got::failed) lose(TunnelLoss::error, channel_->reason());
}

void Tunnel::on_transport_end(int error) {
  auto self = shared_from_this();
  switch (state_) {
    case State::handshake: fail_handshake("tls handshake eof"); return close();
    case State::open:
      if (error == 0) lose(TunnelLoss::eof, "connection closed by its peer");
      else lose(TunnelLoss::error, os_error(error));
      [[fallthrough]];
    case State::closing: return close();
    case State::closed: return;
  }
}

void Tunnel::flush() {
  auto self = shared_from_this();
  if (state_ == State::closed || transport_ == nullptr) return;
  if (state_ == State::open && !channel_->seal()) return lose(TunnelLoss::error, channel_->reason());
  while (!channel_->sealed().empty()) {
    ssize_t sent = transport_->send(channel_->sealed());
    if (sent == 0) return;
    if (sent < 0) {
      if (state_ == State::handshake) fail_handshake("tls handshake eof");
      else if (state_ == State::open) lose(TunnelLoss::error, os_error(EPIPE));
      return close();
    }
    channel_->sent(static_cast<size_t>(sent));
    if (state_ == State::closing) deadline_.start(patience_);
  }
  if (state_ == State::closing) return finish();
  // Not at once: others have had no turn while this one filled its backlog.
  if (session_.has_blocked()) wake_.next_round();
}

void Tunnel::on_request(std::shared_ptr<Http2Stream> stream, Http2Request request) {
  if (owner_ != nullptr) owner_->on_tunnel_request(*this, std::move(stream), std::move(request));
  else session_.reset(*stream, Http2Error::refused_stream);
}

void Tunnel::on_pong(Http2Session::Ping ping) {
  if (ping == Http2Session::Ping::drain) return on_announced();
  ping_sent_ = false;
  ping_.start(kPingInterval);
}

void Tunnel::on_ping_time() {
  if (state_ != State::open) return;
  // Not read for want of memory (`Limits`), it may hold the answer: a peer is judged once it was read for as long. One that
  // went meanwhile stays until then, and with it what is held for slow applications, which its end would lose.
  if (ping_sent_ && now() - reading_since() < kPingTimeout) return ping_.start(kPingTimeout);
  if (ping_sent_) return destroy();
  ping_sent_ = true;
  session_.ping(Http2Session::Ping::keepalive);
  ping_.start(kPingTimeout);
}

void Tunnel::on_handshake_timeout() {
  auto self = shared_from_this();
  if (state_ == State::closing) return on_linger_timeout();
  std::string limit = " within " + std::to_string(options_.handshake_timeout) + " ms";
  if (state_ == State::handshake) return fail_handshake(is_server() ? "no TLS handshake" + limit : kDeadline);
  if (owner_ != nullptr && !reported_) {
    reported_ = true;
    owner_->on_tunnel_failed(*this, {FailureCode::http2_handshake, "no preface" + limit});
  }
  destroy();
}

}  // namespace culvert
