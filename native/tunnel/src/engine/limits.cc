#include "limits.h"

#include <algorithm>

namespace culvert {

std::string Load::enter(std::atomic<uint64_t>& count, uint64_t limit, const char* what) {
  if (buffers_full()) return std::to_string(buffered_bytes()) + " bytes are buffered, the limit is " + std::to_string(limits_.buffered_bytes);
  uint64_t before = count.fetch_add(1, std::memory_order_relaxed);
  if (limit == 0 || before < limit) return {};
  count.fetch_sub(1, std::memory_order_relaxed);
  return std::to_string(before) + " " + what + ", the limit is " + std::to_string(limit);
}

std::atomic<int64_t>& Load::thread_bytes() { return threads_.emplace_back().bytes; }

uint64_t Load::buffered_bytes() const {
  int64_t sum = 0;
  for (const auto& thread : threads_) sum += thread.bytes.load(std::memory_order_relaxed);
  // A block may be given back on another thread than the one that took it.
  return static_cast<uint64_t>(std::max<int64_t>(sum, 0));
}

}  // namespace culvert
