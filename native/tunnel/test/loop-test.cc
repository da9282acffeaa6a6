#include "../src/engine/loop.h"

#include <deque>
#include <future>
#include <thread>

#include "../src/engine/limits.h"
#include "check.h"

namespace culvert::test {

TEST("loop: timers fire in their order, and stopped ones do not") {
  Loop loop;
  std::string fired;
  Timer late(loop, [&] {
    fired += "late;";
    loop.stop();
  });
  Timer early(loop, [&] { fired += "early;"; });
  Timer never(loop, [&] { fired += "never;"; });
  Timer moved(loop, [&] { fired += "moved;"; });
  late.start(40);
  never.start(1);
  moved.start(1);
  moved.start(25);
  early.start(5);
  never.stop();
  int64_t begun = now();
  loop.run();
  CHECK_EQUAL(fired, "early;moved;late;");
  CHECK(now() - begun >= 40);
}

TEST("loop: a timer may start and end others") {
  Loop loop;
  int fired = 0;
  auto other = std::make_unique<Timer>(loop, [&] { fired += 100; });
  Timer* self = nullptr;
  Timer again(loop, [&] {
    other.reset();
    if (++fired == 5) loop.stop();
    else self->start(0);
  });
  self = &again;
  other->start(0);
  other->stop();
  other->start(1000);
  again.start(0);
  loop.run();
  CHECK_EQUAL(fired, 5);
}

TEST("loop: deferred calls run once, and end with their owner") {
  Loop loop;
  std::string ran;
  auto gone = std::make_unique<Deferred>(loop, [&] { ran += "gone;"; });
  Deferred flush(loop, [&] { ran += "flush;"; });
  Deferred next(loop, [&] {
    ran += "next;";
    flush.this_round();
    loop.stop();
  });
  loop.post([&] {
    gone->this_round();
    gone->next_round();
    flush.this_round();
    flush.this_round();
    next.next_round();
    gone.reset();
  });
  loop.wake();
  loop.run();
  CHECK_EQUAL(ran, "next;flush;");
}

TEST("loop: turns come in their order, once, and end with their owner") {
  Loop loop;
  std::string ran;
  auto gone = std::make_unique<Deferred>(loop, [&] { ran += "gone;"; });
  Deferred* self = nullptr;
  Deferred first(loop, [&] {
    ran += "first;";
    self->in_turn();
  });
  self = &first;
  Deferred second(loop, [&] {
    ran += "second;";
    loop.stop();
  });
  loop.post([&] {
    first.in_turn();
    gone->in_turn();
    second.in_turn();
    first.in_turn();
    gone.reset();
  });
  loop.wake();
  loop.run();
  CHECK_EQUAL(ran.substr(0, 13), "first;second;");
}

namespace {

void compute(int64_t milliseconds) {
  for (int64_t begun = thread_time(); thread_time() - begun < milliseconds * 1000000;) continue;
}

}  // namespace

TEST("loop: turns take as long as everything else of a round") {
  Loop loop;
  // Either waits for the other's next call.
  std::string ran;
  std::deque<Deferred> turns;
  Deferred* self = nullptr;
  Deferred other(loop, [&] {
    ran += "o";
    compute(20);
    self->next_round();
  });
  self = &other;
  for (int i = 0; i < 24; i++) {
    turns.emplace_back(loop, [&, i] {
      ran += "t";
      compute(5);
      if (i == 23) loop.stop();
    });
  }
  loop.post([&] {
    other.next_round();
    for (auto& turn : turns) turn.in_turn();
  });
  loop.wake();
  loop.run();
  // One first, then four for each of the others' 20 ms, or five.
  CHECK(ran.starts_with("otottt"));
  CHECK(ran.find("tttttttt") == std::string::npos);
}

TEST("loop: a turn that ended with its owner leaves its round's measure to nobody") {
  Loop loop;
  std::string ran;
  auto gone = std::make_unique<Deferred>(loop, [] {});
  std::deque<Deferred> turns;
  Deferred* self = nullptr;
  int rounds = 0;
  Deferred other(loop, [&] {
    ran += "o";
    if (++rounds == 1) compute(50);
    if (rounds == 2) for (auto& turn : turns) turn.in_turn();
    self->next_round();
  });
  self = &other;
  // After the turns of its round, of which `gone` was not one.
  Deferred end(loop, [&] {
    gone.reset();
    other.next_round();
  });
  Deferred first(loop, [&] { end.this_round(); });
  for (int i = 0; i < 4; i++) {
    turns.emplace_back(loop, [&, i] {
      ran += "t";
      if (i == 3) loop.stop();
    });
  }
  loop.post([&] {
    first.in_turn();
    gone->in_turn();
  });
  loop.wake();
  loop.run();
  CHECK_EQUAL(ran.substr(0, 4), "ooto");
}

TEST("loop: who waits for memory goes on in order when another thread has freed some") {
  Load load({.buffered_bytes = 1000});
  std::atomic<int64_t>& held = load.thread_bytes();
  Loop loop;
  loop.limits = &load;
  std::string ran;
  auto gone = std::make_unique<Deferred>(loop, [&] { ran += "gone;"; });
  Deferred first(loop, [&] { ran += held == 0 ? "first;" : "too early;"; });
  Deferred second(loop, [&] {
    ran += "second;";
    loop.stop();
  });
  Timer in_vain(loop, [&] {
    ran += "in vain;";
    loop.stop();
  });
  held = 1000;
  std::promise<void> waiting;
  loop.post([&] {
    first.when_memory_is_free();
    gone->when_memory_is_free();
    second.when_memory_is_free();
    first.when_memory_is_free();
    gone.reset();
    in_vain.start(60000);
    waiting.set_value();
  });
  // It wakes nobody.
  std::thread other([&] {
    waiting.get_future().wait();
    held = 0;
  });
  loop.wake();
  loop.run();
  other.join();
  CHECK_EQUAL(ran, "first;second;");
}

TEST("loop: a reader is alone when no other has read for a while") {
  struct Reader final : Pollable {
    void on_events(uint32_t) override {}
  } bulk, quiet;
  auto wait_alone = [](Loop& loop, Reader& reader) {
    int64_t begun = now();
    while (!loop.reads_alone(&reader)) std::this_thread::yield();
    return now() - begun;
  };
  Loop loop;
  CHECK(!loop.reads_alone(&bulk));
  CHECK(wait_alone(loop, bulk) >= 90);
  CHECK(loop.reads_alone(&bulk));
  CHECK(!loop.reads_alone(&quiet));
  CHECK(!loop.reads_alone(&bulk));
  CHECK(wait_alone(loop, bulk) >= 90);
}

TEST("loop: posts of many threads arrive in the order of each") {
  Loop loop;
  constexpr int kThreads = 4, kCalls = 2000;
  std::vector<int> last(kThreads, -1);
  int left = kThreads * kCalls;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; thread++) {
    threads.emplace_back([&, thread] {
      for (int call = 0; call < kCalls; call++) {
        loop.post([&, thread, call] {
          CHECK_EQUAL(last[static_cast<size_t>(thread)], call - 1);
          last[static_cast<size_t>(thread)] = call;
          if (--left == 0) loop.stop();
        });
        loop.wake();
      }
    });
  }
  loop.run();
  for (auto& thread : threads) thread.join();
  CHECK_EQUAL(left, 0);
}

TEST("loop: what is retired goes at the end of the round, what is kept with the loop") {
  std::string gone;
  auto tell = [&gone](const char* name) {
    return std::shared_ptr<void>(new char, [&gone, name](void* at) {
      gone += name;
      delete static_cast<char*>(at);
    });
  };
  {
    Loop loop;
    loop.post([&] {
      loop.retire(tell("retired;"));
      loop.keep(tell("kept;"));
      gone += "first;";
    });
    loop.post([&] { loop.stop(); });
    loop.wake();
    loop.run();
    CHECK_EQUAL(gone, "first;retired;kept;");
  }
}

}  // namespace culvert::test
