#include "record-buffer.h"

#include <algorithm>

namespace culvert {

// Where records that begin at `sealed_` end.
size_t RecordBuffer::end_of(size_t plaintext) const {
  size_t rest = plaintext % kPlaintext;
  return sealed_ + plaintext / kPlaintext * kRecord + (rest > 0 ? RecordCipher::kHeader + rest + kTrailer : 0);
}

void RecordBuffer::reserve(size_t count) {
  size_t end = end_of(open_ + count);
  if (end > capacity_) make_room(end);
}

// What is open moves too, though it is no ciphertext yet.
void RecordBuffer::make_room(size_t end) {
  size_t used = std::min(end_of(open_), capacity_) - head_, wanted = end - head_;
  // Moving costs, so only when at least a third has gone: else one byte sent would pay for all that stay.
  if (wanted <= capacity_ && head_ >= used / 2) {
    std::memmove(data_, data_ + head_, used);
  } else {
    size_t capacity = std::max({wanted > kSmallest ? kBulk : kSmallest, wanted, capacity_ * 2});
    uint8_t* grown = take_block(capacity);
    if (used > 0) std::memcpy(grown, data_ + head_, used);
    give_block(data_, capacity_);
    data_ = grown;
    capacity_ = capacity;
  }
  sealed_ -= head_;
  head_ = 0;
}

void RecordBuffer::places(size_t offset, size_t count, Pieces& to) {
  for (size_t at = open_ + offset; count > 0 && !to.full();) {
    size_t within = at % kPlaintext, part = std::min(count, kPlaintext - within);
    to.add({data_ + sealed_ + at / kPlaintext * kRecord + RecordCipher::kHeader + within, part});
    at += part;
    count -= part;
  }
}

void RecordBuffer::seal(size_t plaintext) {
  sealed_ += RecordCipher::kHeader + plaintext + kTrailer;
  open_ -= plaintext;
}

void RecordBuffer::drop_open() {
  open_ = 0;
  free_if_empty();
}

void RecordBuffer::append(Bytes ciphertext) {
  if (ciphertext.empty()) return;
  size_t end = sealed_ + ciphertext.size();
  if (end > capacity_) make_room(end);
  std::memcpy(data_ + sealed_, ciphertext.data(), ciphertext.size());
  sealed_ += ciphertext.size();
}

void RecordBuffer::sent(size_t count) {
  head_ += count;
  free_if_empty();
}

void RecordBuffer::free_if_empty() {
  if (head_ != sealed_ || open_ > 0) return;
  give_block(data_, capacity_);
  data_ = nullptr;
  capacity_ = head_ = sealed_ = 0;
}

}  // namespace culvert
