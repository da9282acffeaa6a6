#pragma once
#include <functional>
#include <optional>

#include "bytes.h"
#include "failure.h"
#include "side.h"
#include "splice.h"

namespace culvert {

// Bytes from one side to the other, to their end. The two directions of a connection are independent (hbone 1.6, 8).
class Direction {
 public:
  // 'ending': the end of data is on its way to the sink.
  enum class Phase { copying, ending, done };
  enum class Name { send, receive };

  Direction(Name name, std::function<void()> done) : name_(name), done_(std::move(done)) {}

  void connect(Side& source, Side& sink);

  Phase phase() const { return phase_; }
  Side& sink() { return *sink_; }
  bool holds() const { return !held_.empty() || pipe_ != nullptr; }
  const std::optional<Failure>& failure() const { return failure_; }
  // It failed with a source that was not at its end, and whose peer will not be told to go on.
  bool withholds_credit() const { return phase_ == Phase::done && !source_ended_ && source_->waits_for_credit(); }

  uint64_t bytes = 0;  // from the source so far
  uint64_t told = 0;   // of these, in an event
  uint64_t untold() const { return bytes - told; }

  // The source's: bytes that it pushes, its end, its end without saying so.
  void deliver(const Pieces& data);
  void source_ended();
  void source_closed(const std::optional<std::string>& failure);
  // Bytes were there for a sink that takes none.
  void fail_data();

  // The sink's.
  void hold(Bytes data) { held_.append(data); }
  void hold(std::unique_ptr<SplicePipe> pipe) { pipe_ = std::move(pipe); }
  void sink_writable();
  void sink_closed();

  // Without a word to anybody.
  void stop();

 private:
  void end();
  void finish();
  void record(const std::string& detail);

  const Name name_;
  std::function<void()> done_;
  Side* source_ = nullptr;
  Side* sink_ = nullptr;
  Phase phase_ = Phase::copying;
  bool source_ended_ = false;
  // Read, and not taken by the sink yet: in one of them.
  ByteQueue held_;
  std::unique_ptr<SplicePipe> pipe_;
  std::optional<Failure> failure_;
};

}  // namespace culvert
