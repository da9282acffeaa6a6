#pragma once
#include <cstdint>
#include <span>
#include <vector>

// What libFuzzer feeds, and what the driver replays the seeds of under every sanitizer. A target aborts when something is
// wrong that no sanitizer would see.
namespace culvert::fuzz {

using Input = std::span<const uint8_t>;
using Seeds = std::vector<std::vector<uint8_t>>;

struct Target {
  const char* name;
  void (*run)(Input input);
  // Small inputs that reach what chance would not: good ones, and those that once found something.
  Seeds (*seeds)();
};

std::span<const Target> targets();

void run_hpack(Input input);
Seeds hpack_seeds();
void run_http2_server(Input input);
Seeds http2_server_seeds();
void run_http2_client(Input input);
Seeds http2_client_seeds();
void run_tls(Input input);
Seeds tls_seeds();
void run_records(Input input);
Seeds records_seeds();
void run_identity(Input input);
Seeds identity_seeds();
void run_socks5(Input input);
Seeds socks5_seeds();

// Reads an input as a script; what is beyond its end reads as zero.
class Script {
 public:
  explicit Script(Input input) : left_(input) {}
  bool at_end() const { return left_.empty(); }
  uint8_t byte() {
    if (left_.empty()) return 0;
    uint8_t first = left_[0];
    left_ = left_.subspan(1);
    return first;
  }
  Input bytes(size_t count) {
    Input taken = left_.first(count < left_.size() ? count : left_.size());
    left_ = left_.subspan(taken.size());
    return taken;
  }
  Input rest() { return bytes(left_.size()); }

 private:
  Input left_;
};

// Milliseconds that the engine's clock goes on: fuzzing has a clock of its own, so that an input always does the same.
void advance_clock(int64_t milliseconds);

}  // namespace culvert::fuzz
