#include <algorithm>
#include <deque>

#include "../src/engine/bytes.h"
#include "check.h"

namespace culvert::test {

TEST("bytes: a queue of any appends and consumes") {
  ByteQueue queue;
  std::deque<uint8_t> model;
  for (int step = 0; step < 3000; step++) {
    if (random_below(3) > 0) {
      auto more = random_bytes(random_below(step % 100 == 0 ? 200000 : 300));
      if (random_below(2) == 0) {
        queue.append(more);
      } else {
        // Room may be larger than what is used of it.
        Room room = queue.reserve(more.size() + random_below(100));
        std::ranges::copy(more, room.begin());
        queue.commit(more.size());
      }
      model.insert(model.end(), more.begin(), more.end());
    } else {
      size_t count = random_below(model.size() + 1);
      queue.consume(count);
      model.erase(model.begin(), model.begin() + static_cast<ptrdiff_t>(count));
    }
    CHECK_EQUAL(queue.size(), model.size());
    if (step % 50 == 0) CHECK(std::ranges::equal(queue.bytes(), model));
  }
  queue.clear();
  CHECK(queue.empty());
}

TEST("bytes: blocks are at least as large as asked for") {
  std::vector<std::pair<uint8_t*, size_t>> blocks;
  for (size_t size : {1ul, 65535ul, 65536ul, 65537ul, 2097152ul, 2097153ul, 65536ul, 5000000ul}) {
    for (int again = 0; again < 20; again++) {
      size_t real = size;
      uint8_t* block = take_block(real);
      CHECK(real >= size);
      block[0] = block[real - 1] = 1;
      blocks.emplace_back(block, real);
    }
    if (size % 3 == 0) {
      for (auto [block, real] : blocks) give_block(block, real);
      blocks.clear();
    }
  }
  for (auto [block, real] : blocks) give_block(block, real);
}

}  // namespace culvert::test
