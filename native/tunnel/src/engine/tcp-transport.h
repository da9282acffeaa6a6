#pragma once
#include <functional>

#include "loop.h"
#include "sockets.h"
#include "tunnel.h"

namespace culvert {

class TcpTransport final : public Transport, public Pollable {
 public:
  // `registered`: the descriptor is in the epoll set already. `closed` is called once.
  TcpTransport(Loop& loop, Tunnel& tunnel, OwnedFd fd, bool registered, std::function<void()> closed);

  ssize_t send(Bytes bytes) override;
  void finish() override;
  void close() override;
  size_t unsent() const override;
  void hold(size_t count) override;
  int64_t reading_since() const override { return held_back_ ? now() : reading_since_; }
  void on_events(uint32_t events) override;

 private:
  void read();

  Loop& loop_;
  Tunnel& tunnel_;
  OwnedFd fd_;
  std::function<void()> closed_;
  Deferred again_;
  bool hung_up_ = false;
  // Not read for want of memory.
  bool held_back_ = false;
  int64_t reading_since_ = now();
};

}  // namespace culvert
