#pragma once
#include <atomic>
#include <functional>

#include "limits.h"
#include "sockets.h"
#include "values.h"
#include "workers.h"

namespace culvert {

// What the parts of one pod on all data threads have in common.
struct PodShared {
  const PodId id;
  const PodSettings settings;
  const OwnedFd netns;
  const bool original_source;
  Load& load;
  Workers& workers;
  const std::function<void(Event)> emit;

  // Everything accepted and not yet gone, on any thread or between two; and one for each part that still serves. Who
  // takes the last one away has told all outcomes before, and nothing new can come.
  std::atomic<size_t> live;
  std::atomic<uint32_t> before_drain = 0, cut = 0;

  void release() {
    if (--live > 0) return;
    emit(Event{id, PodEnded{before_drain > cut ? before_drain - cut : 0, cut}});
    workers.remove(id);
  }
};

}  // namespace culvert
