#pragma once
#include <memory>

#include "dial.h"
#include "direction.h"
#include "stream-side.h"
#include "tcp-side.h"
#include "values.h"

namespace culvert {

class Pod;

// One captured connection or inbound stream, from its accept to its outcome. All of its state is here.
class Connection final : public std::enable_shared_from_this<Connection>, public TunnelOwner {
 public:
  // `accepted_at`: as of `precise_now`.
  Connection(std::shared_ptr<Pod> pod, ConnectionId id, ListenerRole role, double accepted_at,
             std::unique_ptr<Side> client);

  void watch_client_stream();
  void decide(Decision decision);
  // A tunnel that it uses ends at one whose certificate was revoked.
  bool revoked() const;
  // Its own tunnel of double HBONE, or null.
  const std::shared_ptr<Tunnel>& inner() const { return inner_; }
  // Ends it; how outranks what that breaks.
  void cut(FailureCode code);
  void tell_progress();

  // For the pool.
  const ThroughTunnel& tunnel_request() const { return *through_; }
  void on_tunnel(const std::shared_ptr<Tunnel>& tunnel);
  void on_no_tunnel(Failure failure);

 private:
  enum class State { deciding, connecting, waiting_for_tunnel, requesting, joined, finished };

  void on_tunnel_open(Tunnel& tunnel) override;
  void on_tunnel_failed(Tunnel& tunnel, Failure failure) override;
  void on_tunnel_request(Tunnel& tunnel, std::shared_ptr<Http2Stream> stream, Http2Request request) override;
  void on_tunnel_changed(Tunnel&) override {}
  void on_tunnel_closed(Tunnel&) override {}

  bool is_stream() const { return role_ == ListenerRole::inbound_hbone; }
  StreamSide& client_stream() { return static_cast<StreamSide&>(*client_); }
  void answer(int status);
  void connect(Direct direct);
  void connected(OwnedFd fd);
  void connect_failed(const std::string& detail);
  std::unique_ptr<StreamSide> ask(const std::shared_ptr<Tunnel>& tunnel, const Hop& hop, bool outermost);
  void ask_again();
  void on_answer(int status, std::vector<HeaderField> headers, bool outermost);
  void join(ConnectionOpened opened);
  void direction_done();
  void watch_half_failed();
  void finish(std::optional<Failure> failure);

  std::shared_ptr<Pod> pod_;
  const ConnectionId id_;
  const ListenerRole role_;
  const double accepted_at_;
  State state_ = State::deciding;

  std::unique_ptr<Side> client_, server_;
  Direction send_, receive_;

  std::unique_ptr<Direct> direct_;
  std::shared_ptr<Dial> dial_;
  std::unique_ptr<ThroughTunnel> through_;
  bool tunnelled_ = false, asked_again_ = false;
  std::unique_ptr<StreamSide> outer_;  // of double HBONE
  std::shared_ptr<Tunnel> inner_;
  // While one direction has failed: when to look at the other again, and how far that was.
  std::unique_ptr<Timer> half_failed_;
  uint64_t half_failed_bytes_ = 0;
};

}  // namespace culvert
