#include "../src/engine/http2-limits.h"
#include "../src/engine/record-buffer.h"
#include "check.h"

namespace culvert::test {

// A block that no thread keeps is mapped and unmapped each time, and its pages with it.
TEST("record buffer: bulk stays in a block that is kept, however it is sent") {
  for (int round = 0; round < 20; round++) {
    std::atomic<int64_t> held = 0;
    count_blocks_in(&held);
    {
      RecordBuffer buffer;
      for (int step = 0; step < 500; step++) {
        if (buffer.backlog() < kBulkBacklogLimit) {
          size_t count = random_below(4) == 0 ? 1 + random_below(kBulkRead) : kBulkRead;
          buffer.reserve(count + kBulkRead / 16384 * 9);
          // While it grows there are two.
          CHECK(held <= 3 * 1024 * 1024);
          buffer.commit(count);
          while (buffer.open() > 0) buffer.seal(std::min(buffer.open(), RecordBuffer::kPlaintext));
        }
        buffer.sent(random_below(3) == 0 ? buffer.backlog() : random_below(buffer.backlog() + 1));
        CHECK(held <= 2 * 1024 * 1024);
      }
      buffer.sent(buffer.backlog());
      CHECK_EQUAL(held.load(), 0);
    }
    count_blocks_in(nullptr);
  }
}

}  // namespace culvert::test
