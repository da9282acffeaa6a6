#include "pod.h"

#include <utility>

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
      listeners_.push_back(std::make_unique<Listener>(*this, loop_, bound.fd, bound.role));
    } catch (const SocketError& failure) {
      // Who comes is refused, not left to wait.
      culvert::stop_listening(bound.fd->get());
      emit(Warned{std::string("the ") + name(bound.role) + " listener at " + to_text(bound.address) +
                  " cannot be watched, and accepts nobody: " + os_error(failure.error)});
    }
  }
}

void Pod::add(ConnectionId id, std::shared_ptr<Connection> connection) {
  if (connections_.empty()) progress_.start(kProgressInterval);
  connections_.emplace(id, std::move(connection));
}

void Pod::on_tunnel_failed(Tunnel& tunnel, Failure failure) {
  const Serving& serving = serving_.at(&tunnel);
  tell_if_revoked(tunnel);
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

std::vector<std::shared_ptr<Tunnel>> Pod::all_tunnels() const {
  std::vector<std::shared_ptr<Tunnel>> tunnels = serving_tunnels();
  for (auto& tunnel : pool_.tunnels()) tunnels.push_back(tunnel);
  for (auto& [_, connection] : connections_) {
    if (connection->inner() != nullptr) tunnels.push_back(connection->inner());
  }
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

bool Pod::tell_if_revoked(Tunnel& tunnel) {
  if (!tunnel.newly_revoked()) return false;
  emit(PeerRevoked{!tunnel.is_server()});
  return true;
}

void Pod::check_revocations() {
  auto self = shared_from_this();
  // Told before the connections on them end: who hears of those finds the reason counted.
  std::vector<std::shared_ptr<Tunnel>> ending;
  for (auto& tunnel : all_tunnels()) {
    if (tell_if_revoked(*tunnel)) ending.push_back(tunnel);
  }
  std::vector<std::shared_ptr<Connection>> all;
  for (auto& [_, connection] : connections_) all.push_back(connection);
  for (auto& connection : all) {
    if (connection->revoked()) connection->cut(FailureCode::revoked);
  }
  for (auto& tunnel : ending) {
    if (tunnel->shaking_hands()) tunnel->fail({FailureCode::revoked, "invalid peer certificate: Revoked"});
    else tunnel->destroy();
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
