#pragma once
#include "../../src/engine/frame-output.h"

namespace culvert::fuzz {

// Frames as they are, where a tunnel would encrypt them.
class PlainOutput final : public FrameOutput {
 public:
  void reserve(size_t count) override { queue.reserve(count); }
  void places(size_t offset, size_t count, Pieces& to) override { to.add({queue.end() + offset, count}); }
  void commit(size_t count) override {
    queue.commit(count);
    if (queue.empty()) queue.clear();
  }
  size_t backlog() const override { return queue.size(); }

  ByteQueue queue;
};

}  // namespace culvert::fuzz
