#include <cerrno>

#include "connection.h"
#include "pod.h"
#include "tcp-transport.h"
#include "tunnel-pool.h"

// A tunnel from its dial to its first stream, or to its failure. One of a key at a time.
namespace culvert {

void TunnelPool::create(const std::string& key, Group& group) {
  const ThroughTunnel& request = group.waiting.front()->tunnel_request();
  const SocketSettings& sockets = pod_.settings().sockets;
  try {
    std::optional<std::string> warning;
    OwnedFd fd = start_connect(pod_.netns(), sockets, Leg::tunnel, request.to, {}, warning);
    auto done = [this, key](OwnedFd connected, int error, bool deadline) {
      Group& mine = groups_[key];
      mine.dial.reset();
      if (error != 0) {
        auto code = error == ETIMEDOUT ? FailureCode::tunnel_connect_timeout : FailureCode::io;
        return creation_failed(key, {code, deadline ? kDeadline : os_error(error)});
      }
      const Hop& hop = mine.waiting.front()->tunnel_request().outer;
      mine.creating = std::make_shared<Tunnel>(
          pod_.loop(),
          Tunnel::Options{Http2Session::Role::client, hop.credential, hop.expected_identities, pod_.settings().http2,
                          pod_.settings().tls, pod_.settings().sockets.handshake_timeout},
          this);
      creating_[mine.creating.get()] = key;
      auto tunnel = mine.creating;
      tunnel->start(std::make_unique<TcpTransport>(pod_.loop(), *tunnel, std::move(connected), true, nullptr));
    };
    group.dial = Dial::start(pod_.loop(), std::move(fd), sockets.connect_timeout, done);
  } catch (const SocketError& failure) {
    creation_failed(key, {FailureCode::io, os_error(failure.error)});
  }
}

// A failed attempt is not retried for the one that made it; whoever waits behind it tries itself.
void TunnelPool::creation_failed(const std::string& key, Failure failure) {
  Group& group = groups_[key];
  // It was to be one more; those that stand still work.
  group.no_more = choose(group) != nullptr;
  if (!group.waiting.empty() && !group.no_more) {
    auto connection = std::move(group.waiting.front());
    group.waiting.pop_front();
    connection->on_no_tunnel(std::move(failure));
  }
  check_again(key);
}

void TunnelPool::on_tunnel_open(Tunnel& tunnel) {
  auto found = creating_.find(&tunnel);
  if (found == creating_.end()) return;
  std::string key = std::move(found->second);
  creating_.erase(found);
  Group& group = groups_[key];
  auto kept = std::exchange(group.creating, nullptr);
  group.no_more = false;
  standing_[&tunnel] = {kept, key, nullptr};
  pod_.hold();
  auto connection = std::move(group.waiting.front());
  group.waiting.pop_front();
  give(kept, connection);
  serve(key);
}

void TunnelPool::on_tunnel_failed(Tunnel& tunnel, Failure failure) {
  auto found = creating_.find(&tunnel);
  if (found == creating_.end()) return;
  std::string key = std::move(found->second);
  creating_.erase(found);
  pod_.tell_if_revoked(tunnel);
  // It lingers for its peer's sake, maybe longer than the pod lives.
  tunnel.forget_owner();
  groups_[key].creating.reset();
  creation_failed(key, std::move(failure));
}

}  // namespace culvert
