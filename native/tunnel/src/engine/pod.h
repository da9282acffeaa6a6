#pragma once
#include <memory>
#include <unordered_map>
#include <vector>

#include "connection.h"
#include "listener.h"
#include "loop.h"
#include "pod-shared.h"
#include "socks5-handshake.h"
#include "tunnel-pool.h"
#include "values.h"

namespace culvert {

// The part of one pod that lives on one data thread: connections and tunnels there. One part listens; what it accepts
// waits with it for a decision and then moves to the thread that it will live on.
class Pod final : public std::enable_shared_from_this<Pod>, public TunnelOwner {
 public:
  Pod(unsigned worker, std::shared_ptr<PodShared> shared);

  void listen(std::vector<BoundListener> listeners);

  // The decision thread's. Ids that are unknown or gone are ignored.
  void decide(ConnectionId id, Decision decision);
  void give_credential(ConnectionId id, std::shared_ptr<const TlsCredential> credential);
  void cut(ConnectionId id);
  void drain();
  void drain_deadline();
  void close();

  // The revocation lists are others.
  void check_revocations();

  // The last call: no part has anything left.
  void end();

  // For what lives on it.
  Loop& loop() { return loop_; }
  const PodSettings& settings() const { return shared_->settings; }
  int netns() const { return shared_->netns.get(); }
  bool original_source() const { return shared_->original_source; }
  TunnelPool& pool() { return pool_; }
  template <typename What>
  void emit(What what) {
    shared_->emit(Event{shared_->id, std::move(what)});
  }
  void on_accepted(ListenerRole role, OwnedFd fd, Endpoint peer);
  void forget(ConnectionId id, ListenerRole role);
  // Whether this was news.
  bool tell_if_revoked(Tunnel& tunnel);
  // A tunnel of the pool stands: until it is gone it may have bytes to send, and the pod has not ended.
  void hold() { shared_->live++; }
  void let_go() { shared_->release(); }

 private:
  // Waits for its decision or its certificate; nothing was read of it.
  struct Accepted {
    ListenerRole role;
    OwnedFd fd;
    Endpoint peer, local;
    double at;
  };
  struct Serving {
    std::shared_ptr<Tunnel> tunnel;
    Endpoint peer, local;
  };
  enum class Phase { serving, draining, closed };

  void on_tunnel_open(Tunnel&) override {}
  void on_tunnel_failed(Tunnel& tunnel, Failure failure) override;
  void on_tunnel_request(Tunnel& tunnel, std::shared_ptr<Http2Stream> stream, Http2Request request) override;
  void on_tunnel_changed(Tunnel&) override {}
  void on_tunnel_closed(Tunnel& tunnel) override;

  void shake_hands(ConnectionId id, OwnedFd fd, Endpoint peer);
  void on_socks5_request(ConnectionId id);
  void drop_handshake(ConnectionId id);
  void drop_handshakes();
  template <typename What>
  void move_to(unsigned worker, ConnectionId id, Accepted accepted, What what);
  void adopt(ConnectionId id, Accepted accepted, Decision decision);
  void adopt(ConnectionId id, Accepted accepted, std::shared_ptr<const TlsCredential> credential);
  void add(ConnectionId id, std::shared_ptr<Connection> connection);
  void drop(ConnectionId id, Accepted accepted, FailureCode code);
  unsigned place(const Decision& decision) const;
  std::vector<std::shared_ptr<Tunnel>> serving_tunnels() const;
  std::vector<std::shared_ptr<Tunnel>> all_tunnels() const;
  void stop_listening();
  void socket_closed(ListenerRole role);
  void refused(const char* what, const std::string& reason);
  void came();
  void went();

  const unsigned worker_;
  const std::shared_ptr<PodShared> shared_;
  Loop& loop_;
  Phase phase_ = Phase::serving;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::unordered_map<ConnectionId, std::shared_ptr<Socks5Handshake>> handshakes_;
  std::unordered_map<ConnectionId, Accepted> accepted_;
  std::unordered_map<ConnectionId, std::shared_ptr<Connection>> connections_;
  std::unordered_map<Tunnel*, Serving> serving_;
  TunnelPool pool_;
  Timer progress_;
  int64_t refusal_told_at_;
  uint64_t refusals_untold_ = 0;
};

}  // namespace culvert
