#include "pod.h"

#include <type_traits>
#include <utility>

#include "tcp-transport.h"

namespace culvert {

namespace {
// Often enough for metrics that are scraped every few seconds.
constexpr int64_t kProgressInterval = 1000;

// Between two lines of the log about refused work: refusing must stay cheap.
constexpr int64_t kRefusalInterval = 1000;
}  // namespace

Pod::Pod(unsigned worker, std::shared_ptr<PodShared> shared)
    : worker_(worker), shared_(std::move(shared)), loop_(shared_->workers.loop(worker)), pool_(*this),
      progress_(loop_, [this] {
        for (auto& [_, connection] : connections_) connection->tell_progress();
        if (!connections_.empty()) progress_.start(kProgressInterval);
      }), refusal_told_at_(now() - kRefusalInterval) {}

void Pod::came() {
  shared_->live++;
  loop_.load++;
}

// After everything about it was told.
void Pod::went() {
  loop_.load--;
  shared_->release();
}

void Pod::listen(std::vector<BoundListener> listeners) {
  for (auto& bound : listeners) {
    try {
      listeners_.push_back(std::make_unique<Listener>(*this, loop_, std::move(bound.fd), bound.role));
    } catch (const SocketError& failure) {
      emit(Warned{std::string("a listener cannot be watched, and accepts nobody: ") + os_error(failure.error)});
    }
  }
}

void Pod::on_accepted(ListenerRole role, OwnedFd fd, Endpoint peer) {
  if (std::string reason = shared_->load.enter_connection(); !reason.empty()) return refused("connection", reason);
  came();
  emit(SocketChanged{role, true});
  ConnectionId id = shared_->workers.next_id(worker_);
  if (role == ListenerRole::socks5) return shake_hands(id, std::move(fd), std::move(peer));
  bool tunnel = role == ListenerRole::inbound_hbone;
  Endpoint local = tunnel ? local_endpoint(fd.get()) : original_destination(fd.get());
  accepted_.emplace(id, Accepted{role, std::move(fd), peer, local, precise_now()});
  if (tunnel) emit(CredentialWanted{id, std::move(peer), std::move(local)});
  else emit(ConnectionAccepted{id, role, std::move(peer), std::move(local)});
}

// Nobody is asked about a connection before its request is complete.
void Pod::shake_hands(ConnectionId id, OwnedFd fd, Endpoint peer) {
  auto done = [this, id](std::optional<std::string> failure) {
    if (!failure) return on_socks5_request(id);
    drop_handshake(id);
    refused("SOCKS5 client", *failure);
  };
  int timeout = settings().sockets.handshake_timeout;
  try {
    handshakes_.emplace(id, std::make_shared<Socks5Handshake>(loop_, std::move(fd), std::move(peer), timeout, done));
  } catch (const SocketError& failure) {
    socket_closed(ListenerRole::socks5);
    went();
    refused("SOCKS5 client", os_error(failure.error));
  }
}

void Pod::on_socks5_request(ConnectionId id) {
  auto handshake = std::move(handshakes_.extract(id).mapped());
  const Socks5Request& request = handshake->request();
  Endpoint target{request.is_name() ? "" : request.host(), request.port()};
  accepted_.emplace(id, Accepted{ListenerRole::socks5, handshake->take(), handshake->peer(), std::move(target),
                                 handshake->accepted_at()});
  emit(Socks5Requested{id, handshake->peer(), request.host(), request.is_name(), request.port()});
  // An event of this round may still name it.
  loop_.retire(std::move(handshake));
}

void Pod::drop_handshake(ConnectionId id) {
  auto handshake = std::move(handshakes_.extract(id).mapped());
  handshake->take();
  loop_.retire(std::move(handshake));
  socket_closed(ListenerRole::socks5);
  went();
}

void Pod::drop_handshakes() {
  while (!handshakes_.empty()) drop_handshake(handshakes_.begin()->first);
}

unsigned Pod::place(const Decision& decision) const {
  if (phase_ != Phase::serving) return worker_;
  if (auto* tunnel = std::get_if<ThroughTunnel>(&decision)) return shared_->workers.for_key(TunnelPool::key_of(*tunnel));
  return std::holds_alternative<Direct>(decision) ? shared_->workers.least_loaded(worker_) : worker_;
}

void Pod::decide(ConnectionId id, Decision decision) {
  if (auto waiting = accepted_.extract(id)) {
    if (waiting.mapped().role == ListenerRole::socks5) {
      auto* refuse = std::get_if<Refuse>(&decision);
      send_socks5_reply(waiting.mapped().fd.get(), refuse == nullptr ? 0 : refuse->socks5_reply);
    }
    unsigned worker = place(decision);
    return move_to(worker, id, std::move(waiting.mapped()), std::move(decision));
  }
  auto found = connections_.find(id);
  if (found == connections_.end()) return;
  std::shared_ptr<Connection> connection = found->second;
  connection->decide(std::move(decision));
}

void Pod::give_credential(ConnectionId id, std::shared_ptr<const TlsCredential> credential) {
  auto waiting = accepted_.extract(id);
  if (!waiting) return;
  if (credential == nullptr) return drop(id, std::move(waiting.mapped()), FailureCode::cut);
  unsigned worker = phase_ == Phase::serving ? shared_->workers.least_loaded(worker_) : worker_;
  move_to(worker, id, std::move(waiting.mapped()), std::move(credential));
}

template <typename What>
void Pod::move_to(unsigned worker, ConnectionId id, Accepted accepted, What what) {
  if (worker == worker_) return adopt(id, std::move(accepted), std::move(what));
  // Counted before it is there: others shall not choose that thread on the strength of an old number.
  loop_.load--;
  shared_->workers.loop(worker).load++;
  // std::function wants what can be copied.
  auto moving = std::make_shared<std::pair<Accepted, What>>(std::move(accepted), std::move(what));
  shared_->workers.tell(worker, shared_->id, [id, moving](Pod& pod) {
    // Neither part counted it when it began to drain.
    if (std::is_same_v<What, Decision> && pod.phase_ == Phase::draining) pod.shared_->before_drain++;
    pod.adopt(id, std::move(moving->first), std::move(moving->second));
  });
}

void Pod::adopt(ConnectionId id, Accepted accepted, Decision decision) {
  if (phase_ == Phase::closed) return drop(id, std::move(accepted), FailureCode::drained);
  auto closed = [self = shared_from_this(), role = accepted.role] { self->socket_closed(role); };
  auto client = std::make_unique<TcpSide>(loop_, std::move(accepted.fd), closed);
  auto connection =
      std::make_shared<Connection>(shared_from_this(), id, accepted.role, accepted.at, std::move(client));
  add(id, connection);
  connection->decide(std::move(decision));
}

void Pod::adopt(ConnectionId id, Accepted accepted, std::shared_ptr<const TlsCredential> credential) {
  if (phase_ != Phase::serving) return drop(id, std::move(accepted), FailureCode::drained);
  auto tunnel = std::make_shared<Tunnel>(
      loop_,
      Tunnel::Options{
          Http2Session::Role::server, std::move(credential), {}, settings().http2, settings().tls,
          settings().sockets.handshake_timeout},
      this);
  auto closed = [self = shared_from_this()] { self->socket_closed(ListenerRole::inbound_hbone); };
  std::unique_ptr<TcpTransport> transport;
  try {
    transport = std::make_unique<TcpTransport>(loop_, *tunnel, std::move(accepted.fd), false, closed);
  } catch (const SocketError& failure) {
    emit(HandshakeFailed{accepted.peer, accepted.local, "tls handshake error: " + os_error(failure.error)});
    return drop(id, std::move(accepted), FailureCode::cut);
  }
  serving_.emplace(tunnel.get(), Serving{tunnel, accepted.peer, accepted.local});
  tunnel->start(std::move(transport));
}

void Pod::add(ConnectionId id, std::shared_ptr<Connection> connection) {
  if (connections_.empty()) progress_.start(kProgressInterval);
  connections_.emplace(id, std::move(connection));
}

void Pod::drop(ConnectionId id, Accepted accepted, FailureCode code) {
  accepted.fd = OwnedFd();
  socket_closed(accepted.role);
  // A tunnel is no connection yet.
  if (accepted.role != ListenerRole::inbound_hbone) {
    emit(ConnectionClosed{id, 0, 0, precise_now() - accepted.at, Failure{code, ""}});
  }
  went();
}

void Pod::on_tunnel_failed(Tunnel& tunnel, Failure failure) {
  const Serving& serving = serving_.at(&tunnel);
  const char* what = failure.code == FailureCode::http2_handshake ? "http2 handshake failed: " : "tls handshake error: ";
  emit(HandshakeFailed{serving.peer, serving.local, what + failure.detail});
}

void Pod::on_tunnel_request(Tunnel& tunnel, std::shared_ptr<Http2Stream> stream, Http2Request request) {
  if (std::string reason = shared_->load.enter_stream(); !reason.empty()) {
    tunnel.session().reset(*stream, Http2Error::refused_stream);
    return refused("stream", reason);
  }
  const Serving& serving = serving_.at(&tunnel);
  came();
  ConnectionId id = shared_->workers.next_id(worker_);
  auto client = std::make_unique<StreamSide>(serving.tunnel, std::move(stream));
  auto connection = std::make_shared<Connection>(shared_from_this(), id, ListenerRole::inbound_hbone, precise_now(),
                                                 std::move(client));
  connection->watch_client_stream();
  add(id, connection);
  emit(StreamRequested{id, serving.peer, serving.local, tunnel.peer_identity(), std::move(request.method),
                       std::move(request.authority), std::move(request.headers)});
}

void Pod::on_tunnel_closed(Tunnel& tunnel) {
  if (serving_.erase(&tunnel) > 0) went();
}

void Pod::cut(ConnectionId id) {
  if (auto waiting = accepted_.extract(id)) return drop(id, std::move(waiting.mapped()), FailureCode::cut);
  auto found = connections_.find(id);
  if (found != connections_.end()) {
    std::shared_ptr<Connection> connection = found->second;
    return connection->cut(FailureCode::cut);
  }
  // It may have moved on; this message follows it.
  if (Workers::worker_of(id) != worker_) return;
  for (unsigned i = 0; i < shared_->workers.count(); i++) {
    if (i != worker_) shared_->workers.tell(i, shared_->id, [id](Pod& pod) { pod.cut(id); });
  }
}

void Pod::socket_closed(ListenerRole role) {
  shared_->load.leave_connection();
  emit(SocketChanged{role, false});
}

void Pod::refused(const char* what, const std::string& reason) {
  if (now() - refusal_told_at_ < kRefusalInterval) {
    refusals_untold_++;
    return;
  }
  refusal_told_at_ = now();
  uint64_t others = std::exchange(refusals_untold_, 0);
  emit(Warned{std::string("refused a ") + what + ": " + reason +
              (others == 0 ? "" : " (" + std::to_string(others) + " more refusals since the last line)")});
}

void Pod::forget(ConnectionId id, ListenerRole role) {
  if (connections_.erase(id) == 0) return;
  if (role == ListenerRole::inbound_hbone) shared_->load.leave_stream();
  if (connections_.empty()) progress_.stop();
  went();
}

void Pod::stop_listening() {
  // An event of this round may still name them.
  for (auto& listener : listeners_) {
    listener->close();
    loop_.retire(std::shared_ptr<Listener>(std::move(listener)));
  }
  listeners_.clear();
}

std::vector<std::shared_ptr<Tunnel>> Pod::serving_tunnels() const {
  std::vector<std::shared_ptr<Tunnel>> tunnels;
  for (auto& [_, serving] : serving_) tunnels.push_back(serving.tunnel);
  return tunnels;
}

void Pod::drain() {
  if (phase_ != Phase::serving) return;
  auto self = shared_from_this();
  phase_ = Phase::draining;
  stop_listening();
  std::vector<ConnectionId> arriving;
  for (auto& [id, accepted] : accepted_) {
    if (accepted.role == ListenerRole::inbound_hbone) arriving.push_back(id);
  }
  for (ConnectionId id : arriving) drop(id, std::move(accepted_.extract(id).mapped()), FailureCode::drained);
  drop_handshakes();
  pool_.drain();
  shared_->before_drain += static_cast<uint32_t>(connections_.size() + accepted_.size());
  for (auto& tunnel : serving_tunnels()) tunnel->drain();
  shared_->release();
}

void Pod::drain_deadline() {
  if (phase_ != Phase::draining) return;
  shared_->cut += static_cast<uint32_t>(connections_.size() + accepted_.size());
  close();
}

void Pod::close() {
  if (phase_ == Phase::closed) return;
  auto self = shared_from_this();
  bool was_serving = phase_ == Phase::serving;
  phase_ = Phase::closed;
  stop_listening();
  drop_handshakes();
  for (auto& [id, accepted] : std::exchange(accepted_, {})) drop(id, std::move(accepted), FailureCode::drained);
  std::vector<std::shared_ptr<Connection>> all;
  for (auto& [_, connection] : connections_) all.push_back(connection);
  for (auto& connection : all) connection->cut(FailureCode::drained);
  pool_.close();
  for (auto& tunnel : serving_tunnels()) tunnel->destroy();
  if (was_serving) shared_->release();
}

void Pod::check_revocations() {
  auto self = shared_from_this();
  std::vector<std::shared_ptr<Connection>> all;
  for (auto& [_, connection] : connections_) all.push_back(connection);
  for (auto& connection : all) {
    if (connection->revoked()) connection->cut(FailureCode::revoked);
  }
  pool_.check_revocations();
  for (auto& tunnel : serving_tunnels()) {
    if (tunnel->revoked()) tunnel->destroy();
  }
}

void Pod::end() {
  auto self = shared_from_this();
  phase_ = Phase::closed;
  stop_listening();
  pool_.close();
  progress_.stop();
  loop_.retire(self);
}

}  // namespace culvert
