#include <type_traits>
#include <utility>

#include "pod.h"
#include "tcp-transport.h"

// What was accepted, until it lives as a connection or a tunnel on the thread that the decision leads to.
namespace culvert {

void Pod::on_accepted(ListenerRole role, OwnedFd fd, Endpoint peer) {
  if (std::string reason = shared_->load.enter_connection(); !reason.empty()) return refused("connection", reason);
  came();
  emit(SocketsChanged{role, 1, 0});
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

// A failure of ours is one (RFC 1928 6: general SOCKS server failure); policy has said which reply it wants, or none.
static uint8_t socks5_reply(const Decision& decision) {
  auto* refuse = std::get_if<Refuse>(&decision);
  if (refuse == nullptr) return 0;
  return refuse->failure ? 1 : refuse->socks5_reply;
}

void Pod::decide(ConnectionId id, Decision decision) {
  if (auto waiting = accepted_.extract(id)) {
    if (waiting.mapped().role == ListenerRole::socks5) {
      send_socks5_reply(waiting.mapped().fd.get(), socks5_reply(decision));
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

void Pod::drop(ConnectionId id, Accepted accepted, FailureCode code) {
  accepted.fd = OwnedFd();
  socket_closed(accepted.role);
  // A tunnel is no connection yet.
  if (accepted.role != ListenerRole::inbound_hbone) {
    emit(ConnectionClosed{id, 0, 0, 0, 0, precise_now() - accepted.at, Failure{code, ""}});
  }
  went();
}

void Pod::socket_closed(ListenerRole role) {
  shared_->load.leave_connection();
  emit(SocketsChanged{role, 0, 1});
}

}  // namespace culvert
