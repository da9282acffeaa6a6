#pragma once
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "dial.h"
#include "tunnel.h"

namespace culvert {

class Connection;
class Pod;

// Shares tunnels between the connections of one pod (docs/spec/hbone.md 6). Keyed by the values of the decisions; whether
// and where to is not its business.
class TunnelPool final : public TunnelOwner {
 public:
  explicit TunnelPool(Pod& pod);

  // Tunnels of one key that are in use because those before were saturated.
  static constexpr size_t kMostOfOneKey = 4;

  // What decisions must have in common to share tunnels.
  static std::string key_of(const ThroughTunnel& request);

  // Calls the connection's `on_tunnel` or `on_no_tunnel`, later or at once. Checkouts of one key are served in order,
  // and one tunnel of a key is made at a time.
  void check_out(const std::shared_ptr<Connection>& connection);
  // It does not want one any more.
  void leave(const Connection* connection);

  // Tunnels say GOAWAY and close with their last stream; whoever still asks gets one of its own.
  void drain();
  void close();
  // Those that stand, and those that are being made.
  std::vector<std::shared_ptr<Tunnel>> tunnels() const;

 private:
  struct Group {
    std::vector<std::shared_ptr<Tunnel>> pooled;  // those that take more streams
    std::shared_ptr<Dial> dial;
    std::shared_ptr<Tunnel> creating;
    std::deque<std::shared_ptr<Connection>> waiting;
    bool no_more = false;  // one beside a saturated one could not be made; until any of them goes
  };
  struct Standing {
    std::shared_ptr<Tunnel> tunnel;
    std::string key;
    std::unique_ptr<Timer> release;  // set: in the pool
    uint64_t used = 0;               // when it was, in an order of all
  };

  void on_tunnel_open(Tunnel& tunnel) override;
  void on_tunnel_failed(Tunnel& tunnel, Failure failure) override;
  void on_tunnel_request(Tunnel& tunnel, std::shared_ptr<Http2Stream> stream, Http2Request request) override;
  void on_tunnel_changed(Tunnel& tunnel) override;
  void on_tunnel_closed(Tunnel& tunnel) override;

  void serve(const std::string& key);
  std::shared_ptr<Tunnel> choose(const Group& group) const;
  void drop_oldest();
  void create(const std::string& key, Group& group);
  void creation_failed(const std::string& key, Failure failure);
  void give(const std::shared_ptr<Tunnel>& tunnel, const std::shared_ptr<Connection>& connection);
  void keep(Tunnel& tunnel);
  void drop(Tunnel& tunnel);
  void forget(Standing& standing);
  void check_again(const std::string& key);

  Pod& pod_;
  uint32_t limit_;
  size_t pooled_ = 0;
  uint64_t uses_ = 0;
  std::unordered_map<std::string, Group> groups_;
  std::unordered_map<Tunnel*, std::string> creating_;
  std::unordered_map<Tunnel*, Standing> standing_;
  std::vector<std::string> again_keys_;
  Deferred again_;
};

}  // namespace culvert
