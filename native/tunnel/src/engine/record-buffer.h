#pragma once
#include "frame-output.h"
#include "record-cipher.h"

namespace culvert {

// Ciphertext that waits to be sent, and behind it plaintext laid out as the records it will be:
//
//     head        sealed
//     | records … | header, up to 16,384 bytes, type, tag | header, … |
//
// The last record stays open, so that frames of many streams share it. Plaintext is put where it is sealed.
class RecordBuffer {
 public:
  static constexpr size_t kPlaintext = 16384, kTrailer = 1 + RecordCipher::kTag;
  static constexpr size_t kRecord = RecordCipher::kHeader + kPlaintext + kTrailer;

  RecordBuffer() = default;
  ~RecordBuffer() { give_block(data_, capacity_); }
  RecordBuffer(const RecordBuffer&) = delete;
  RecordBuffer& operator=(const RecordBuffer&) = delete;

  // Room for `count` bytes of plaintext behind what is open.
  void reserve(size_t count);
  // Where plaintext goes, counted from the end of what is open.
  void places(size_t offset, size_t count, Pieces& to);
  // Plaintext that is there now.
  void commit(size_t count) { open_ += count; }

  // Plaintext in the records that are not sealed.
  size_t open() const { return open_; }
  // The first of them.
  uint8_t* first_open() { return data_ + sealed_; }
  // It was sealed, with so much plaintext.
  void seal(size_t plaintext);
  // The open plaintext will never be sent.
  void drop_open();

  // Ciphertext of other making, when nothing is open.
  void append(Bytes ciphertext);

  Bytes sealed() const { return {data_ + head_, sealed_ - head_}; }
  void sent(size_t count);
  size_t backlog() const { return sealed_ - head_ + open_; }
  void free_if_empty();

 private:
  // For requests; and for what comes between two flushes of bulk, so that it is not copied while it grows.
  static constexpr size_t kSmallest = 64 * 1024, kBulk = 1024 * 1024;

  size_t end_of(size_t plaintext) const;
  void make_room(size_t end);

  uint8_t* data_ = nullptr;
  size_t capacity_ = 0, head_ = 0, sealed_ = 0, open_ = 0;
};

}  // namespace culvert
