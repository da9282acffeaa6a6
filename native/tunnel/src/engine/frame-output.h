#pragma once
#include <sys/uio.h>

#include <algorithm>

#include "bytes.h"

namespace culvert {

// What is read at once of a connection that is not known to move bulk, at most; of one that does; and of one that does
// and is alone on its thread: the more at once, the less a byte costs, and the longer others would wait.
inline constexpr size_t kSmallRead = 16 * 1024, kLargeRead = 256 * 1024, kBulkRead = 1024 * 1024;

// Bytes in several pieces, in order: places that a read fills, or parts of a message that one call writes.
class Pieces {
 public:
  // Enough for the largest read in one frame and in records of 16 KiB, of which the first has begun. In small frames, of
  // which each header parts a record, less is read at once.
  static constexpr size_t kMost = 66;

  bool empty() const { return size_ == 0; }
  bool full() const { return count_ == kMost; }
  size_t size() const { return size_; }
  iovec* data() { return pieces_; }
  const iovec* data() const { return pieces_; }
  size_t count() const { return count_; }
  Bytes at(size_t i) const { return {static_cast<const uint8_t*>(pieces_[i].iov_base), pieces_[i].iov_len}; }

  // Not when `full`.
  void add(Bytes piece) {
    if (piece.empty()) return;
    size_ += piece.size();
    if (count_ > 0) {
      iovec& last = pieces_[count_ - 1];
      if (static_cast<uint8_t*>(last.iov_base) + last.iov_len == piece.data()) {
        last.iov_len += piece.size();
        return;
      }
    }
    pieces_[count_++] = {const_cast<uint8_t*>(piece.data()), piece.size()};
  }
  void clear() { count_ = size_ = 0; }

 private:
  size_t count_ = 0, size_ = 0;
  iovec pieces_[kMost];
};

// Where a session puts its frames: filled in place, so that an application's bytes are read where they are encrypted.
class FrameOutput {
 public:
  virtual ~FrameOutput() = default;

  // Room for `count` bytes behind the last committed one; what `places` says holds until the next call.
  virtual void reserve(size_t count) = 0;
  // Where the reserved bytes from `offset` go. Stops when `to` is full.
  virtual void places(size_t offset, size_t count, Pieces& to) = 0;
  // 0: nothing came of it; memory that holds nothing is given back.
  virtual void commit(size_t count) = 0;
  // Committed and not sent yet.
  virtual size_t backlog() const = 0;

  // Fills reserved bytes.
  void put(size_t offset, Bytes bytes) {
    Pieces to;
    places(offset, bytes.size(), to);
    for (size_t i = 0; i < to.count(); i++) {
      Bytes place = to.at(i);
      std::memcpy(const_cast<uint8_t*>(place.data()), bytes.data(), place.size());
      bytes = bytes.subspan(place.size());
    }
  }

  void append(Bytes bytes) {
    reserve(bytes.size());
    put(0, bytes);
    commit(bytes.size());
  }
};

}  // namespace culvert
