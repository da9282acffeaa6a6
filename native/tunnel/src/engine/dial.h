#pragma once
#include <functional>
#include <memory>

#include "loop.h"
#include "sockets.h"

namespace culvert {

// A TCP connection on its way. `done` is called once, unless cancelled: with the descriptor, which the watcher must
// `rewatch`, or with the errno of the failure and whether our own limit ended it.
class Dial final : public Pollable, public std::enable_shared_from_this<Dial> {
 public:
  using Done = std::function<void(OwnedFd fd, int error, bool deadline)>;

  static std::shared_ptr<Dial> start(Loop& loop, OwnedFd fd, int timeout, Done done);
  Dial(Loop& loop, OwnedFd fd, Done done);

  void cancel();
  void on_events(uint32_t events) override;

 private:
  void finish(OwnedFd fd, int error, bool deadline);

  Loop& loop_;
  OwnedFd fd_;
  Timer timer_;
  Done done_;
};

}  // namespace culvert
