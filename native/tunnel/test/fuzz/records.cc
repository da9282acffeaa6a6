#include <openssl/err.h>

#include "must.h"
#include "targets.h"
#include "tls-end.h"

// Our record layer after a handshake, against a peer that knows the keys: well-sealed records of any content, mixed with
// bytes that are none. What the peer reads must be what we said, under the keys in their turn.
namespace culvert::fuzz {

namespace {

// One handshake for the whole run: taking it over leaves it as it is.
struct Handshake {
  explicit Handshake(bool subject_is_server) : subject(subject_is_server, 0), peer(!subject_is_server, 0) {
    auto ignore = [](Bytes) {};
    for (int i = 0; i < 4; i++) {
      peer.feed(subject.take(SIZE_MAX), ignore);
      subject.feed(peer.take(SIZE_MAX), ignore);
    }
    MUST(subject.open() && peer.open());
  }
  TlsEnd subject, peer;
};

Handshake& handshake(bool subject_is_server) {
  static Handshake client(false), server(true);
  return subject_is_server ? server : client;
}

class Peer {
 public:
  explicit Peer(bool subject_is_server, uint64_t records_per_key) {
    Handshake& done = handshake(subject_is_server);
    auto secrets = done.peer.openssl().secrets();
    MUST(secrets.has_value());
    out_ = RecordCipher::make(secrets->suite, secrets->out, RecordCipher::Direction::seal);
    in_ = RecordCipher::make(secrets->suite, secrets->in, RecordCipher::Direction::open);
    subject_ = RecordChannel::take_over(done.subject.openssl(), records_per_key);
    MUST(out_ && in_ && subject_ != nullptr);
  }

  void feed(std::vector<uint8_t> bytes, size_t cut) {
    if (bytes.empty()) return;
    cut %= bytes.size();
    for (Room part : {Room(bytes).first(cut), Room(bytes).subspan(cut)}) {
      if (part.empty() || over_) continue;
      subject_->feed(part);
      uint8_t scratch[TlsChannel::kLargestPlaintext];
      TlsChannel::Plaintext got;
      while ((got = subject_->read(scratch)).got == TlsChannel::Got::data) {
        MUST(!got.bytes.empty() && got.bytes.size() <= TlsChannel::kLargestPlaintext);
        for (uint8_t byte : got.bytes) MUST(byte == 's');
        received_ += got.bytes.size();
        MUST(received_ <= said_);
      }
      subject_->finish_reading();
      over_ = got.got != TlsChannel::Got::nothing;
      MUST(got.got != TlsChannel::Got::failed || !subject_->reason().empty());
    }
  }

  // A record as it should be: content, its type, padding.
  std::vector<uint8_t> record(uint8_t type, Input content, size_t padding) {
    size_t inner = content.size() + 1 + padding;
    std::vector<uint8_t> bytes(RecordCipher::kHeader + inner + RecordCipher::kTag);
    std::ranges::copy(content, bytes.begin() + RecordCipher::kHeader);
    bytes[RecordCipher::kHeader + content.size()] = type;
    MUST(out_->seal(bytes.data(), inner));
    // A KeyUpdate, whole and alone: the next record is under the next key.
    if (type == 22 && content.size() == 5 && content[0] == 24 && content[3] == 1 && content[4] < 2) MUST(out_->update());
    return bytes;
  }

  std::vector<uint8_t> data(size_t count, size_t padding) {
    said_ += count;
    return record(23, std::vector<uint8_t>(count, 's'), padding);
  }

  void subject_says(size_t count) {
    subject_->append(std::vector<uint8_t>(count, 'x'));
    if (!subject_->seal()) over_ = true;
  }
  void subject_closes() { subject_->close(); }

  // Everything that the subject sealed opens, in its order.
  void read(size_t most) {
    Bytes sealed = subject_->sealed();
    sealed = sealed.first(std::min(most, sealed.size()));
    unread_.insert(unread_.end(), sealed.begin(), sealed.end());
    if (!sealed.empty()) subject_->sent(sealed.size());
    for (;;) {
      if (unread_.size() < RecordCipher::kHeader) return;
      size_t length = static_cast<size_t>(unread_[3]) << 8 | unread_[4];
      if (unread_.size() < RecordCipher::kHeader + length) return;
      MUST(in_->open(unread_.data(), length));
      look(Input(unread_).subspan(RecordCipher::kHeader, length - RecordCipher::kTag));
      unread_.erase(unread_.begin(), unread_.begin() + static_cast<ptrdiff_t>(RecordCipher::kHeader + length));
    }
  }

 private:
  void look(Input inner) {
    uint8_t type = inner.back();
    Input content = inner.first(inner.size() - 1);
    MUST(!closed_);
    if (type == 21) {
      MUST(content.size() == 2);
      closed_ = true;
    } else if (type == 22) {
      MUST(content.size() == 5 && content[0] == 24);
      MUST(in_->update());
    } else {
      MUST(type == 23);
      for (uint8_t byte : content) MUST(byte == 'x');
    }
  }

  std::optional<RecordCipher> in_, out_;
  std::unique_ptr<RecordChannel> subject_;
  std::vector<uint8_t> unread_;
  uint64_t said_ = 0, received_ = 0;
  bool over_ = false, closed_ = false;
};

std::vector<uint8_t> joined(std::vector<uint8_t> first, const std::vector<uint8_t>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

}  // namespace

void run_records(Input input) {
  Script script(input);
  uint8_t kind = script.byte();
  Peer peer((kind & 1) != 0, (kind & 2) != 0 ? 2 : 1 << 22);
  while (!script.at_end()) {
    uint8_t action = script.byte();
    switch (action % 8) {
      case 0: {
        Input raw = script.bytes(script.byte());
        peer.feed({raw.begin(), raw.end()}, script.byte());
        break;
      }
      case 1: {
        uint8_t type = script.byte();
        Input content = script.bytes(script.byte());
        // Data is counted by `data` alone. A type of 0 is padding, and what is before it the type.
        if (type == 23) type = 22;
        peer.feed(peer.record(type, type == 0 ? Input() : content, script.byte()), script.byte());
        break;
      }
      case 2: peer.feed(peer.data(size_t{script.byte()} * 66, script.byte()), script.byte()); break;
      case 3: {
        // Several records in one piece.
        auto bytes = peer.data(script.byte(), 0);
        for (int more = script.byte() % 40; more > 0; more--) bytes = joined(bytes, peer.data(script.byte(), script.byte()));
        peer.feed(bytes, size_t{script.byte()} << 6 | script.byte());
        break;
      }
      case 4: {
        auto bytes = peer.data(size_t{script.byte()} + 1, 0);
        bytes[script.byte() % bytes.size()] ^= script.byte();
        peer.feed(bytes, 0);
        break;
      }
      case 5: peer.subject_says(size_t{script.byte()} * 300); break;
      case 6: peer.read((action & 8) != 0 ? SIZE_MAX : size_t{script.byte()} * 50); break;
      case 7: peer.subject_closes(); break;
    }
  }
  peer.read(SIZE_MAX);
  ERR_clear_error();
}

Seeds records_seeds() {
  Seeds seeds;
  for (uint8_t kind : {0, 1, 2, 3}) {
    // Data both ways, and an end.
    seeds.push_back({kind, 2, 10, 0, 5, 5, 100, 6, 20, 2, 255, 9, 200, 1, 21, 2, 1, 0, 0, 3});
    seeds.push_back({kind, 3, 9, 20, 1, 0, 2, 0, 3, 7, 40, 7, 5, 1, 7, 14});
    // Key updates: one that wants none, one that wants another, one in two records, one that means nothing.
    seeds.push_back({kind, 1, 22, 5, 24, 0, 0, 1, 0, 0, 0, 2, 10, 0, 0, 1, 22, 5, 24, 0, 0, 1, 1, 0, 0, 5, 3, 14, 2, 9, 0, 0});
    seeds.push_back({kind, 1, 22, 2, 24, 0, 0, 0, 1, 22, 3, 0, 1, 0, 0, 0});
    seeds.push_back({kind, 1, 22, 5, 24, 0, 0, 1, 7, 0, 0});
    // A ticket, an alert, an empty alert, a change of cipher spec, no type at all.
    seeds.push_back({kind, 1, 22, 20, 4, 0, 0, 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0, 0, 2, 9, 0, 0});
    seeds.push_back({kind, 1, 21, 2, 2, 40, 0, 0});
    seeds.push_back({kind, 1, 21, 0, 0, 0});
    seeds.push_back({kind, 1, 20, 1, 1, 0, 0});
    seeds.push_back({kind, 1, 0, 0, 255, 0});
    // Empty data over and over, a changed byte, bytes that are no record.
    seeds.push_back({kind, 3, 0, 39, 0, 0, 0, 0, 0, 0, 0, 0});
    seeds.push_back({kind, 4, 20, 9, 1});
    seeds.push_back({kind, 0, 5, 23, 3, 3, 255, 255, 0});
    seeds.push_back({kind, 0, 5, 21, 3, 3, 0, 2, 0});
  }
  return seeds;
}

}  // namespace culvert::fuzz
