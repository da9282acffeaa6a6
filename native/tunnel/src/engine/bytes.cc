#include "bytes.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <new>

namespace culvert {

namespace {

constexpr size_t kSmallestKept = 64 * 1024, kLargestKept = 2 * 1024 * 1024;
constexpr size_t kKeptBytes = 8 * 1024 * 1024;  // per thread

// Powers of two from the smallest to the largest that are kept.
constexpr size_t kClasses = std::bit_width(kLargestKept / kSmallestKept);

struct Block {
  Block* next;
};

struct List {
  Block* first = nullptr;
  size_t count = 0, least = 0;  // now, and since the last trim

  void push(Block* block) {
    block->next = first;
    first = block;
    count++;
  }
  Block* pop() {
    Block* block = first;
    first = block->next;
    least = std::min(least, --count);
    return block;
  }
};

struct Kept {
  List lists[kClasses];
  size_t bytes = 0;

  ~Kept() {
    for (List& list : lists) {
      while (list.count > 0) std::free(list.pop());
    }
  }
};

thread_local Kept kept;
thread_local std::atomic<int64_t>* counter = nullptr;

void count(int64_t bytes) {
  if (counter != nullptr) counter->fetch_add(bytes, std::memory_order_relaxed);
}

size_t class_of(size_t size) { return static_cast<size_t>(std::bit_width(size / kSmallestKept)) - 1; }

}  // namespace

uint8_t* take_block(size_t& size) {
  if (size >= kSmallestKept && size <= kLargestKept) {
    size = std::bit_ceil(size);
    if (kept.lists[class_of(size)].count > 0) {
      kept.bytes -= size;
      count(static_cast<int64_t>(size));
      return reinterpret_cast<uint8_t*>(kept.lists[class_of(size)].pop());
    }
  }
  auto* made = static_cast<uint8_t*>(std::malloc(size));
  if (made == nullptr) throw std::bad_alloc();
  count(static_cast<int64_t>(size));
  return made;
}

void give_block(uint8_t* block, size_t size) {
  if (block == nullptr) return;
  count(-static_cast<int64_t>(size));
  bool keep = size >= kSmallestKept && size <= kLargestKept && kept.bytes + size <= kKeptBytes;
  if (!keep) return std::free(block);
  kept.lists[class_of(size)].push(reinterpret_cast<Block*>(block));
  kept.bytes += size;
}

void trim_blocks() {
  for (size_t i = 0; i < kClasses; i++) {
    List& list = kept.lists[i];
    for (size_t unused = list.least; unused > 0; unused--) {
      std::free(list.pop());
      kept.bytes -= kSmallestKept << i;
    }
    list.least = list.count;
  }
}

void count_blocks_in(std::atomic<int64_t>* where) { counter = where; }

}  // namespace culvert
