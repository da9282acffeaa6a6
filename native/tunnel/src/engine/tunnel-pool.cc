#include "tunnel-pool.h"

#include <algorithm>

#include "connection.h"
#include "pod.h"

namespace culvert {

// Not the authority: that is the stream's (hbone 6).
std::string TunnelPool::key_of(const ThroughTunnel& request) {
  std::string key = request.outer.identity + '\0' + to_text(request.to) + '\0' + request.outer.application_ip;
  for (const auto& identity : request.outer.expected_identities) key += '\0' + identity;
  return key;
}

TunnelPool::TunnelPool(Pod& pod)
    : pod_(pod), limit_(pod.settings().pool.max_streams_per_tunnel), again_(pod.loop(), [this] {
        std::vector<std::string> keys;
        keys.swap(again_keys_);
        for (const auto& key : keys) serve(key);
      }) {}

void TunnelPool::check_out(const std::shared_ptr<Connection>& connection) {
  std::string key = key_of(connection->tunnel_request());
  groups_[key].waiting.push_back(connection);
  serve(key);
}

void TunnelPool::leave(const Connection* connection) {
  auto found = groups_.find(key_of(connection->tunnel_request()));
  if (found == groups_.end()) return;
  Group& group = found->second;
  std::erase_if(group.waiting, [&](const auto& waiting) { return waiting.get() == connection; });
  if (!group.waiting.empty()) return;
  // Nobody is left to have it.
  if (group.dial != nullptr) std::exchange(group.dial, nullptr)->cancel();
  if (group.creating != nullptr) {
    auto tunnel = std::exchange(group.creating, nullptr);
    creating_.erase(tunnel.get());
    tunnel->forget_owner();
    tunnel->destroy();
  }
  if (group.pooled.empty()) groups_.erase(found);
}

void TunnelPool::serve(const std::string& key) {
  for (;;) {
    auto found = groups_.find(key);
    if (found == groups_.end()) return;
    Group& group = found->second;
    if (group.dial != nullptr || group.creating != nullptr) return;
    if (group.waiting.empty()) {
      if (group.pooled.empty()) groups_.erase(found);
      return;
    }
    auto tunnel = choose(group);
    if (tunnel == nullptr) return create(key, group);
    if (tunnel->saturated() && group.pooled.size() < kMostOfOneKey && !group.no_more) return create(key, group);
    auto connection = std::move(group.waiting.front());
    group.waiting.pop_front();
    give(tunnel, connection);
  }
}

// One where a stream need not wait for others; else the one with the fewest. Null: none takes any.
std::shared_ptr<Tunnel> TunnelPool::choose(const Group& group) const {
  std::shared_ptr<Tunnel> best;
  for (const auto& tunnel : group.pooled) {
    if (!tunnel->usable()) continue;
    if (!tunnel->saturated()) return tunnel;
    if (best == nullptr || tunnel->streams() < best->streams()) best = tunnel;
  }
  return best;
}

void TunnelPool::check_again(const std::string& key) {
  again_keys_.push_back(key);
  again_.next_round();
}

void TunnelPool::give(const std::shared_ptr<Tunnel>& tunnel, const std::shared_ptr<Connection>& connection) {
  bool full = tunnel->streams() + 1 >= limit_;
  connection->on_tunnel(tunnel);
  if (full || !tunnel->usable()) drop(*tunnel);
  else keep(*tunnel);
}

// In the pool, as one used just now; its release timer starts anew.
void TunnelPool::keep(Tunnel& tunnel) {
  auto found = standing_.find(&tunnel);
  if (found == standing_.end()) return;
  Standing& standing = found->second;
  if (standing.release == nullptr) {
    standing.release = std::make_unique<Timer>(pod_.loop(), [this, &tunnel] { drop(tunnel); });
    groups_[standing.key].pooled.push_back(standing.tunnel);
    if (++pooled_ > pod_.settings().pool.max_tunnels) drop_oldest();
  }
  standing.used = ++uses_;
  standing.release->start(pod_.settings().pool.unused_release);
}

void TunnelPool::drop_oldest() {
  Tunnel* oldest = nullptr;
  uint64_t used = UINT64_MAX;
  for (auto& [tunnel, standing] : standing_) {
    if (standing.release == nullptr || standing.used == 0 || standing.used >= used) continue;
    oldest = tunnel;
    used = standing.used;
  }
  if (oldest != nullptr) drop(*oldest);
}

// Gives up the pool's hold: the tunnel closes now or when its last stream ends.
void TunnelPool::drop(Tunnel& tunnel) {
  auto found = standing_.find(&tunnel);
  if (found == standing_.end()) return;
  auto kept = found->second.tunnel;
  forget(found->second);
  if (kept->streams() == 0) kept->release();
}

void TunnelPool::forget(Standing& standing) {
  if (standing.release == nullptr) return;
  // This may be the timer's own call.
  pod_.loop().retire(std::shared_ptr<Timer>(std::move(standing.release)));
  pooled_--;
  auto group = groups_.find(standing.key);
  if (group == groups_.end()) return;
  group->second.no_more = false;
  std::erase(group->second.pooled, standing.tunnel);
  check_again(standing.key);
}

void TunnelPool::on_tunnel_request(Tunnel& tunnel, std::shared_ptr<Http2Stream> stream, Http2Request) {
  tunnel.session().reset(*stream, Http2Error::refused_stream);
}

void TunnelPool::on_tunnel_changed(Tunnel& tunnel) {
  auto found = standing_.find(&tunnel);
  if (found == standing_.end()) return;
  if (!tunnel.usable()) forget(found->second);
  if (found->second.release == nullptr && tunnel.streams() == 0) tunnel.release();
}

void TunnelPool::on_tunnel_closed(Tunnel& tunnel) {
  auto found = standing_.find(&tunnel);
  if (found == standing_.end()) return;
  auto kept = found->second.tunnel;
  forget(found->second);
  standing_.erase(&tunnel);
  pod_.let_go();
}

void TunnelPool::drain() {
  limit_ = 1;
  std::vector<std::shared_ptr<Tunnel>> all;
  for (auto& [_, standing] : standing_) all.push_back(standing.tunnel);
  for (auto& tunnel : all) {
    auto found = standing_.find(tunnel.get());
    if (found != standing_.end()) forget(found->second);
    tunnel->release();
  }
}

std::vector<std::shared_ptr<Tunnel>> TunnelPool::tunnels() const {
  std::vector<std::shared_ptr<Tunnel>> all;
  for (auto& [_, standing] : standing_) all.push_back(standing.tunnel);
  for (auto& [_, group] : groups_) {
    if (group.creating != nullptr) all.push_back(group.creating);
  }
  return all;
}

void TunnelPool::close() {
  drain();
  std::vector<std::shared_ptr<Tunnel>> all;
  for (auto& [_, standing] : standing_) all.push_back(standing.tunnel);
  for (auto& [_, group] : groups_) {
    if (group.dial != nullptr) group.dial->cancel();
    if (group.creating == nullptr) continue;
    group.creating->forget_owner();
    group.creating->destroy();
  }
  groups_.clear();
  creating_.clear();
  size_t held = standing_.size();
  standing_.clear();
  for (auto& tunnel : all) {
    tunnel->forget_owner();
    // One that has said GOAWAY lingers by itself; what stands with streams is cut.
    if (tunnel->streams() > 0 || tunnel->usable()) tunnel->destroy();
  }
  for (; held > 0; held--) pod_.let_go();
}

}  // namespace culvert
