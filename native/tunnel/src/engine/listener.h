#pragma once
#include "loop.h"
#include "sockets.h"

namespace culvert {

class Pod;

class Listener final : public Pollable {
 public:
  Listener(Pod& pod, Loop& loop, SharedFd fd, ListenerRole role);
  void on_events(uint32_t) override { accept_some(); }
  void close() { fd_.reset(); }

 private:
  void accept_some();

  Pod& pod_;
  SharedFd fd_;
  const ListenerRole role_;
  Deferred again_;
  Timer retry_;
  int64_t told_at_ = now() - 1000;
};

}  // namespace culvert
