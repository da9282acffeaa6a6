#include "http2-harness.h"

namespace culvert::fuzz {

namespace {

using Parts = std::vector<std::vector<uint8_t>>;

std::vector<uint8_t> joined(const Parts& parts) {
  std::vector<uint8_t> all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// The harness's own language: an action, what it takes, and where `feed` cuts.
std::vector<uint8_t> frame(uint8_t type, uint8_t flags, uint8_t stream, const std::vector<uint8_t>& payload) {
  std::vector<uint8_t> action{1, type, flags, stream, static_cast<uint8_t>(payload.size())};
  action.insert(action.end(), payload.begin(), payload.end());
  if (type == 0) action.push_back(0);
  action.push_back(0);
  return action;
}

const std::vector<uint8_t> kSettings = frame(4, 0, 0, {0, 4, 0, 1, 0, 0});
// With the byte that the callback takes.
const std::vector<uint8_t> kHeaders{4, 0, 0, 0, 0}, kLastHeaders{4, 1, 0, 0, 0};

// Frames that either side may get, good and bad.
Parts common() {
  return {frame(6, 0, 0, {1, 2, 3, 4, 5, 6, 7, 8}),
          frame(8, 0, 0, {0, 0, 255, 255}),
          frame(8, 0, 1, {127, 255, 255, 255}),
          frame(4, 0, 0, {0, 4, 127, 255, 255, 255}),
          frame(4, 0, 0, {0, 3, 0, 0, 0, 0}),
          frame(4, 0, 0, {0, 5, 0, 0, 64, 0}),
          frame(7, 0, 0, {0, 0, 0, 0, 0, 0, 0, 0}),
          frame(3, 0, 1, {0, 0, 0, 8}),
          frame(0, 8, 1, {4, 'a', 'b', 0, 0, 0, 0}),
          frame(0, 1, 1, {'e', 'n', 'd'}),
          frame(1, 4, 1, {0x88}),
          frame(1, 0, 1, {0x88}),
          frame(9, 4, 1, {0x88}),
          frame(11, 0, 0, {1}),
          {6, 1, 6, 2, 6, 3, 7},
          {5, 0, 3, 255, 255, 7, 5, 0, 7, 5, 0, 4},
          {6, 134}};
}

}  // namespace

void run_http2_server(Input input) {
  Script script(input);
  Http2Harness(Http2Session::Role::server, script).run();
}

void run_http2_client(Input input) {
  Script script(input);
  Http2Harness(Http2Session::Role::client, script).run();
}

Seeds http2_server_seeds() {
  Seeds seeds;
  for (uint8_t settings = 0; settings < 4; settings++) {
    std::vector<uint8_t> begin{settings, 1, 0};
    for (const auto& part : common()) seeds.push_back(joined({begin, kSettings, kHeaders, {5, 0, 0}, part, {7}}));
    // Many streams, and one that ends at once.
    std::vector<uint8_t> many;
    for (uint8_t id = 0; id < 40; id++) many.insert(many.end(), {4, 0, id, 0, 0});
    seeds.push_back(joined({begin, kSettings, many, kLastHeaders, {7}}));
  }
  // No preface, half a preface.
  seeds.push_back({0, 0, 0, 5, 'G', 'E', 'T', ' ', '/', 0});
  seeds.push_back({0, 0, 0, 5, 'P', 'R', 'I', ' ', '*', 0});
  return seeds;
}

Seeds http2_client_seeds() {
  Seeds seeds;
  for (uint8_t settings = 0; settings < 4; settings++) {
    std::vector<uint8_t> begin{settings}, ask{6, 4};
    for (const auto& part : common()) {
      seeds.push_back(joined({begin, kSettings, ask, ask, kHeaders, part, {7}}));
      seeds.push_back(joined({begin, ask, kSettings, part, kLastHeaders, {7}}));
    }
  }
  return seeds;
}

}  // namespace culvert::fuzz
