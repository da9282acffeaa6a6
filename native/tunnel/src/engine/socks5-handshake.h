#pragma once
#include <functional>
#include <optional>
#include <string>

#include "loop.h"
#include "socks5-request.h"
#include "sockets.h"
#include "values.h"

namespace culvert {

// A connection to the SOCKS5 listener until its request is complete.
class Socks5Handshake final : public Pollable {
 public:
  // Called once, the last thing that happens here: with nothing when the request is complete, else with why there is
  // none; the client has been told and the socket is for closing.
  using Done = std::function<void(std::optional<std::string> failure)>;

  // `timeout` in milliseconds for all of it; 0 for none.
  Socks5Handshake(Loop& loop, OwnedFd fd, Endpoint peer, int timeout, Done done);
  void on_events(uint32_t) override;

  const Socks5Request& request() const { return request_; }
  const Endpoint& peer() const { return peer_; }
  double accepted_at() const { return accepted_at_; }
  // The socket, out of the loop's sight; behind the request nothing was read. Nobody hears of this handshake any more.
  OwnedFd take();

 private:
  void fail(Socks5Reply reply, std::string reason);

  Loop& loop_;
  OwnedFd fd_;
  const Endpoint peer_;
  const double accepted_at_;
  Done done_;
  Timer deadline_;
  Socks5Request request_;
  std::string part_;
};

// On a socket that has carried nothing but a handshake: its buffer takes so much at once.
void send_socks5_reply(int fd, uint8_t code);

}  // namespace culvert
