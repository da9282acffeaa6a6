#pragma once
#include <map>
#include <memory>
#include <set>

#include "../../src/engine/http2-session.h"
#include "plain-output.h"
#include "targets.h"

namespace culvert::fuzz {

// A session whose owner and listeners do what an input says, also in the middle of a callback, and which holds what
// happens against what may happen.
class Http2Harness final : private Http2Session::Owner {
 public:
  Http2Harness(Http2Session::Role role, Script& script);
  ~Http2Harness() override;
  void run();

 private:
  struct Listener;

  void on_request(std::shared_ptr<Http2Stream> stream, Http2Request request) override;
  void on_output() override {}
  void on_stream_ended() override;
  void on_goaway() override { act_inside(); }
  void on_pong(Http2Session::Ping) override { act_inside(); }
  void on_credit() override {}
  bool short_of_memory() const override { return false; }

  void feed(Input bytes);
  void feed_frame();
  void feed_headers();
  void act();
  void act_on_stream();
  void act_inside();
  void lose();
  void take_output();
  void look_at_frame(const FrameHeader& frame, Input payload);
  Listener& listen();

  Http2Session::Role role_;
  Script& script_;
  Http2Settings settings_;
  PlainOutput output_;
  Http2Session session_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  bool lost_ = false, receiving_ = false;
  int depth_ = 0;
  size_t uncredited_ = 0;
  // What went out: the preface, then frames.
  std::vector<uint8_t> sent_;
  bool preface_seen_ = false;
  uint32_t continued_ = 0;  // the stream whose header block is unfinished
  std::map<uint32_t, bool> ended_;  // streams by id; true: ended or reset by us
};

}  // namespace culvert::fuzz
