#include "pod.h"

#include "tcp-transport.h"

namespace culvert {

namespace {
// Often enough for metrics that are scraped every few seconds.
constexpr int64_t kProgressInterval = 1000;

// Between two lines of the log about refused work: refusing must stay cheap.
constexpr int64_t kRefusalInterval = 1000;
}  // namespace

Pod::Pod(Loop& loop, Parts parts)
    : loop_(loop), parts_(std::move(parts)), pool_(*this), progress_(loop, [this] {
        for (auto& [_, connection] : connections_) connection->tell_progress();
        if (!connections_.empty()) progress_.start(kProgressInterval);
      }), refusal_told_at_(now() - kRefusalInterval) {}

void Pod::listen(std::vector<BoundListener> listeners) {
  for (auto& bound : listeners) {
    listeners_.push_back(std::make_unique<Listener>(*this, loop_, std::move(bound.fd), bound.role));
  }
}

void Pod::on_accepted(ListenerRole role, OwnedFd fd, Endpoint peer) {
  if (std::string reason = parts_.load.enter_connection(); !reason.empty()) return refused("connection", reason);
  emit(SocketChanged{role, true});
  ConnectionId id = parts_.next_id();
  Endpoint local = local_endpoint(fd.get());
  if (role == ListenerRole::inbound_hbone) {
    arriving_.emplace(id, Arriving{std::move(fd), peer, local});
    return emit(CredentialWanted{id, std::move(peer), std::move(local)});
  }
  Endpoint destination = original_destination(fd.get());
  auto closed = [this, role] { socket_closed(role); };
  auto client = std::make_unique<TcpSide>(loop_, std::move(fd), closed);
  if (connections_.empty()) progress_.start(kProgressInterval);
  connections_.emplace(id, std::make_shared<Connection>(shared_from_this(), id, role, std::move(client)));
  emit(ConnectionAccepted{id, role, std::move(peer), std::move(destination)});
}

void Pod::give_credential(ConnectionId id, std::shared_ptr<const TlsCredential> credential) {
  auto found = arriving_.find(id);
  if (found == arriving_.end()) return;
  Arriving arrived = std::move(found->second);
  arriving_.erase(found);
  if (credential == nullptr || phase_ != Phase::serving) {
    arrived.fd = OwnedFd();
    socket_closed(ListenerRole::inbound_hbone);
    return check_drained();
  }
  auto tunnel = std::make_shared<Tunnel>(
      loop_,
      Tunnel::Options{
          Http2Session::Role::server, std::move(credential), {}, settings().http2, settings().sockets.handshake_timeout},
      this);
  serving_.emplace(tunnel.get(), Serving{tunnel, arrived.peer, arrived.local});
  auto closed = [self = shared_from_this()] { self->socket_closed(ListenerRole::inbound_hbone); };
  tunnel->start(std::make_unique<TcpTransport>(loop_, *tunnel, std::move(arrived.fd), false, closed));
}

void Pod::on_tunnel_failed(Tunnel& tunnel, Failure failure) {
  const Serving& serving = serving_.at(&tunnel);
  const char* what = failure.code == FailureCode::http2_handshake ? "http2 handshake failed: " : "tls handshake error: ";
  emit(HandshakeFailed{serving.peer, serving.local, what + failure.detail});
}

void Pod::on_tunnel_request(Tunnel& tunnel, std::shared_ptr<Http2Stream> stream, Http2Request request) {
  if (std::string reason = parts_.load.enter_stream(); !reason.empty()) {
    tunnel.session().reset(*stream, Http2Error::refused_stream);
    return refused("stream", reason);
  }
  const Serving& serving = serving_.at(&tunnel);
  ConnectionId id = parts_.next_id();
  auto client = std::make_unique<StreamSide>(serving.tunnel, std::move(stream));
  if (connections_.empty()) progress_.start(kProgressInterval);
  auto connection =
      std::make_shared<Connection>(shared_from_this(), id, ListenerRole::inbound_hbone, std::move(client));
  connection->watch_client_stream();
  connections_.emplace(id, connection);
  emit(StreamRequested{id, serving.peer, serving.local, tunnel.peer_identity(), std::move(request.method),
                       std::move(request.authority), std::move(request.headers)});
}

void Pod::on_tunnel_closed(Tunnel& tunnel) {
  serving_.erase(&tunnel);
  check_drained();
}

void Pod::decide(ConnectionId id, Decision decision) {
  auto found = connections_.find(id);
  if (found == connections_.end()) return;
  std::shared_ptr<Connection> connection = found->second;
  connection->decide(std::move(decision));
}

void Pod::cut(ConnectionId id) {
  auto found = connections_.find(id);
  if (found == connections_.end()) return;
  std::shared_ptr<Connection> connection = found->second;
  connection->cut(FailureCode::cut);
}

void Pod::socket_closed(ListenerRole role) {
  parts_.load.leave_connection();
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
  if (role == ListenerRole::inbound_hbone) parts_.load.leave_stream();
  connections_.erase(id);
  if (connections_.empty()) progress_.stop();
  check_drained();
}

void Pod::stop_listening() {
  // An event of this round may still name them.
  for (auto& listener : listeners_) {
    listener->close();
    loop_.retire(std::shared_ptr<Listener>(std::move(listener)));
  }
  listeners_.clear();
}

void Pod::drop_arriving() {
  for (size_t count = arriving_.size(); count > 0; count--) socket_closed(ListenerRole::inbound_hbone);
  arriving_.clear();
}

void Pod::drain() {
  if (phase_ != Phase::serving) return;
  auto self = shared_from_this();
  phase_ = Phase::draining;
  stop_listening();
  drop_arriving();
  pool_.drain();
  before_ = static_cast<uint32_t>(connections_.size());
  std::vector<std::shared_ptr<Tunnel>> tunnels;
  for (auto& [_, serving] : serving_) tunnels.push_back(serving.tunnel);
  for (auto& tunnel : tunnels) tunnel->drain();
  check_drained();
}

void Pod::drain_deadline() {
  if (phase_ != Phase::draining) return;
  cut_ = static_cast<uint32_t>(connections_.size());
  cut_all();
  end();
}

void Pod::close() {
  if (phase_ == Phase::ended) return;
  auto self = shared_from_this();
  stop_listening();
  drop_arriving();
  cut_all();
  end();
}

void Pod::cut_all() {
  std::vector<std::shared_ptr<Connection>> all;
  for (auto& [_, connection] : connections_) all.push_back(connection);
  for (auto& connection : all) connection->cut(FailureCode::drained);
}

void Pod::check_drained() {
  if (phase_ == Phase::draining && connections_.empty() && serving_.empty()) end();
}

void Pod::end() {
  if (phase_ == Phase::ended) return;
  auto self = shared_from_this();
  phase_ = Phase::ended;
  pool_.close();
  std::vector<std::shared_ptr<Tunnel>> tunnels;
  for (auto& [_, serving] : serving_) tunnels.push_back(serving.tunnel);
  for (auto& tunnel : tunnels) tunnel->destroy();
  progress_.stop();
  uint32_t finished = before_ > cut_ ? before_ - cut_ : 0;
  emit(PodEnded{finished, cut_});
  loop_.retire(self);
  parts_.ended();
}

}  // namespace culvert
