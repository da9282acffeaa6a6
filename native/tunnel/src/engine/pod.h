#pragma once
#include <functional>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "connection.h"
#include "limits.h"
#include "listener.h"
#include "loop.h"
#include "tunnel-pool.h"
#include "values.h"

namespace culvert {

// One pod's listeners, connections and tunnels, all on one loop.
class Pod final : public std::enable_shared_from_this<Pod>, public TunnelOwner {
 public:
  struct Parts {
    PodId id;
    PodSettings settings;
    OwnedFd netns;
    bool original_source;
    Load& load;
    std::function<ConnectionId()> next_id;
    std::function<void(Event)> emit;
    std::function<void()> ended;
  };

  Pod(Loop& loop, Parts parts);

  void listen(std::vector<BoundListener> listeners);

  // The decision thread's. Ids that are unknown or gone are ignored.
  void decide(ConnectionId id, Decision decision);
  void give_credential(ConnectionId id, std::shared_ptr<const TlsCredential> credential);
  void cut(ConnectionId id);
  void drain();
  void drain_deadline();
  void close();

  // For what lives on it.
  Loop& loop() { return loop_; }
  const PodSettings& settings() const { return parts_.settings; }
  int netns() const { return parts_.netns.get(); }
  bool original_source() const { return parts_.original_source; }
  TunnelPool& pool() { return pool_; }
  template <typename What>
  void emit(What what) {
    parts_.emit(Event{parts_.id, std::move(what)});
  }
  void on_accepted(ListenerRole role, OwnedFd fd, Endpoint peer);
  void forget(ConnectionId id, ListenerRole role);

 private:
  // Accepted, and its certificate is being fetched.
  struct Arriving {
    OwnedFd fd;
    Endpoint peer, local;
  };
  struct Serving {
    std::shared_ptr<Tunnel> tunnel;
    Endpoint peer, local;
  };
  enum class Phase { serving, draining, ended };

  void on_tunnel_open(Tunnel&) override {}
  void on_tunnel_failed(Tunnel& tunnel, Failure failure) override;
  void on_tunnel_request(Tunnel& tunnel, std::shared_ptr<Http2Stream> stream, Http2Request request) override;
  void on_tunnel_changed(Tunnel&) override {}
  void on_tunnel_closed(Tunnel& tunnel) override;

  void stop_listening();
  void cut_all();
  void check_drained();
  void end();
  void drop_arriving();
  void socket_closed(ListenerRole role);
  void refused(const char* what, const std::string& reason);

  Loop& loop_;
  Parts parts_;
  Phase phase_ = Phase::serving;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::unordered_map<ConnectionId, std::shared_ptr<Connection>> connections_;
  std::unordered_map<ConnectionId, Arriving> arriving_;
  std::unordered_map<Tunnel*, Serving> serving_;
  TunnelPool pool_;
  Timer progress_;
  uint32_t before_ = 0, cut_ = 0;
  int64_t refusal_told_at_;
  uint64_t refusals_untold_ = 0;
};

}  // namespace culvert
