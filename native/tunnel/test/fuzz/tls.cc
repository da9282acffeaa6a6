#include <openssl/err.h>

#include "must.h"
#include "targets.h"
#include "tls-end.h"

// One of our channels and an honest peer, whose ciphertext passes through the hands of the input: delivered, changed,
// dropped, mixed with bytes of its own. Nothing that was not sent may come out.
namespace culvert::fuzz {

namespace {

class Pair {
 public:
  Pair(bool subject_is_server, uint64_t records_per_key)
      : subject_(subject_is_server, records_per_key), peer_(!subject_is_server, 0) {}

  void shake_hands() {
    for (int i = 0; i < 4; i++) {
      deliver();
      feed(peer_.take(SIZE_MAX));
    }
    MUST(subject_.open());
  }

  // What the subject hears is the input's; what it says reaches the peer as it is.
  void feed(std::vector<uint8_t> bytes) {
    subject_.feed(bytes, [this](Bytes plain) {
      for (uint8_t byte : plain) MUST(byte == static_cast<uint8_t>(received_++));
      MUST(received_ <= said_);
    });
  }

  void deliver() {
    auto bytes = subject_.take(SIZE_MAX);
    peer_.feed(bytes, [](Bytes plain) {
      for (uint8_t byte : plain) MUST(byte == 'x');
    });
  }

  std::vector<uint8_t> take(size_t count) { return peer_.take(count); }

  void peer_says(size_t count) {
    if (!peer_.open() || peer_.failed()) return;
    std::vector<uint8_t> text(count);
    for (auto& byte : text) byte = static_cast<uint8_t>(said_++);
    peer_.say(text);
  }
  void subject_says(size_t count) { subject_.say(std::vector<uint8_t>(count, 'x')); }
  void peer_closes() { peer_.close(); }
  void subject_closes() { subject_.close(); }

 private:
  TlsEnd subject_, peer_;
  uint64_t said_ = 0, received_ = 0;
};

std::vector<uint8_t> copy(Input input) { return {input.begin(), input.end()}; }

}  // namespace

void run_tls(Input input) {
  Script script(input);
  uint8_t kind = script.byte();
  Pair pair((kind & 1) != 0, (kind & 4) != 0 ? 3 : 0);
  if ((kind & 2) != 0) pair.shake_hands();
  while (!script.at_end()) {
    uint8_t action = script.byte();
    switch (action % 8) {
      case 0: pair.feed(copy(script.bytes(script.byte()))); break;
      case 1: pair.feed(copy(script.rest())); break;
      case 2: pair.feed(pair.take(size_t{script.byte()} * 8 + 1)); break;
      case 3: {
        auto bytes = pair.take(size_t{script.byte()} * 8 + 1);
        uint8_t where = script.byte(), what = script.byte();
        if (!bytes.empty()) bytes[where % bytes.size()] ^= what;
        pair.feed(bytes);
        break;
      }
      case 4: pair.take(script.byte()); break;
      case 5: pair.peer_says(size_t{script.byte()} * 80); break;
      case 6: pair.subject_says(size_t{script.byte()} * 80); break;
      case 7:
        if ((action & 8) != 0) pair.peer_closes();
        else if ((action & 16) != 0) pair.subject_closes();
        else pair.deliver();
        break;
    }
  }
  ERR_clear_error();
}

Seeds tls_seeds() {
  Seeds seeds;
  for (uint8_t role : {0, 1, 4, 5}) {
    auto established = static_cast<uint8_t>(role | 2);
    // A handshake in parts, then data and the end.
    seeds.push_back({role, 2, 255, 7, 2, 40, 2, 255, 7, 5, 100, 2, 255, 15, 2, 255});
    // Changed or lost on its way.
    seeds.push_back({role, 3, 60, 17, 1, 2, 255, 7});
    seeds.push_back({role, 4, 5, 2, 255});
    seeds.push_back({established, 5, 10, 3, 255, 9, 128, 2, 255});
    seeds.push_back({established, 5, 255, 2, 10, 2, 10, 6, 200, 7, 4, 1, 2, 255});
    // Plain records: an alert, a change of cipher spec, one that is too long, one of SSL 2.
    seeds.push_back({role, 1, 21, 3, 3, 0, 2, 2, 40});
    seeds.push_back({established, 1, 20, 3, 3, 0, 1, 1, 23, 3, 3, 0xff, 0xff, 0});
    seeds.push_back({role, 1, 0x80, 0x2e, 1, 0, 2, 0, 21, 0, 0, 0, 16});
    seeds.push_back({established, 1, 23, 3, 3, 0, 0});
  }
  return seeds;
}

}  // namespace culvert::fuzz
