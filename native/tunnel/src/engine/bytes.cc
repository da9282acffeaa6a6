#include "bytes.h"

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

struct Kept {
  Block* blocks[kClasses] = {};
  size_t bytes = 0;

  ~Kept() {
    for (Block* block : blocks) {
      while (block != nullptr) {
        Block* next = block->next;
        std::free(block);
        block = next;
      }
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
  if (size >= kSmallestKept) {
    size = std::bit_ceil(size);
    Block* block = size <= kLargestKept ? kept.blocks[class_of(size)] : nullptr;
    if (block != nullptr) {
      kept.blocks[class_of(size)] = block->next;
      kept.bytes -= size;
      count(static_cast<int64_t>(size));
      return reinterpret_cast<uint8_t*>(block);
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
  Block* first = reinterpret_cast<Block*>(block);
  first->next = kept.blocks[class_of(size)];
  kept.blocks[class_of(size)] = first;
  kept.bytes += size;
}

void count_blocks_in(std::atomic<int64_t>* where) { counter = where; }

}  // namespace culvert
