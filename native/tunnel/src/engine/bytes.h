#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

namespace culvert {

using Bytes = std::span<const uint8_t>;
using Room = std::span<uint8_t>;

// Memory of at least `size` bytes, which becomes its real size. Large blocks are kept by the thread that gives them
// back: what moves bulk would otherwise spend its time in page faults.
uint8_t* take_block(size_t& size);
void give_block(uint8_t* block, size_t size);
// Frees what nobody has taken since the last call.
void trim_blocks();
// Where this thread adds up the blocks it has out; it may be read from anywhere.
void count_blocks_in(std::atomic<int64_t>* counter);

// A queue of bytes in one piece: written at the end in place, taken from the front. Holds no memory while it is empty,
// so that a connection at rest costs nothing.
class ByteQueue {
 public:
  ByteQueue() = default;
  ~ByteQueue() { give_block(data_, capacity_); }
  ByteQueue(const ByteQueue&) = delete;
  ByteQueue& operator=(const ByteQueue&) = delete;

  bool empty() const { return head_ == tail_; }
  size_t size() const { return tail_ - head_; }
  Bytes bytes() const { return {data_ + head_, size()}; }

  // Room for `count` bytes behind the last one, valid until the next call.
  Room reserve(size_t count) {
    if (tail_ + count > capacity_) make_room(count);
    return {data_ + tail_, count};
  }
  void commit(size_t count) { tail_ += count; }
  // Behind the last byte, within what was reserved.
  uint8_t* end() { return data_ + tail_; }

  void append(Bytes bytes) {
    if (bytes.empty()) return;
    std::memcpy(reserve(bytes.size()).data(), bytes.data(), bytes.size());
    commit(bytes.size());
  }

  void consume(size_t count) {
    head_ += count;
    if (head_ == tail_) clear();
  }

  void swap(ByteQueue& other) {
    std::swap(data_, other.data_);
    std::swap(head_, other.head_);
    std::swap(tail_, other.tail_);
    std::swap(capacity_, other.capacity_);
  }

  void clear() {
    give_block(data_, capacity_);
    data_ = nullptr;
    head_ = tail_ = capacity_ = 0;
  }

 private:
  static constexpr size_t kLargestStep = 1024 * 1024;

  void make_room(size_t count) {
    size_t used = size();
    if (head_ > 0 && used + count <= capacity_) {
      std::memmove(data_, data_ + head_, used);
    } else {
      // Twice as much, but not megabytes that nobody may ask for.
      size_t capacity = std::max(capacity_ + std::min(capacity_, kLargestStep), used + count);
      uint8_t* grown = take_block(capacity);
      if (used > 0) std::memcpy(grown, data_ + head_, used);
      give_block(data_, capacity_);
      data_ = grown;
      capacity_ = capacity;
    }
    head_ = 0;
    tail_ = used;
  }

  uint8_t* data_ = nullptr;
  size_t head_ = 0, tail_ = 0, capacity_ = 0;
};

}  // namespace culvert
