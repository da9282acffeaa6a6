#include "../src/engine/http2-frames.h"
#include "../src/engine/http2-headers.h"
#include "../src/engine/http2-session.h"
#include "check.h"
#include "fuzz/plain-output.h"

namespace culvert::test {

namespace {

struct Owner final : Http2Session::Owner {
  void on_request(std::shared_ptr<Http2Stream> stream, Http2Request) override { streams.push_back(std::move(stream)); }
  void on_output() override {}
  void on_stream_ended() override { ended++; }
  void on_goaway() override {}
  void on_pong(Http2Session::Ping) override {}
  void on_credit() override {}
  bool short_of_memory() const override { return false; }

  fuzz::PlainOutput output;
  std::vector<std::shared_ptr<Http2Stream>> streams;
  int ended = 0;
};

struct Listener final : StreamListener {
  void on_response(int status, std::vector<HeaderField>) override { heard += "response " + std::to_string(status) + ";"; }
  void on_data(Room bytes) override { heard += "data " + std::to_string(bytes.size()) + ";"; }
  void on_batch_end() override {}
  void on_end() override { heard += "end;"; }
  void on_reset(Http2Error code) override {
    heard += std::string("reset ") + name(code) + ";";
    if (also) also();
  }
  void on_lost(TunnelLoss, const std::string&) override { heard += "lost;"; }
  void on_writable() override { heard += "writable;"; }

  std::string heard;
  std::function<void()> also;
};

// Two sessions back to back, in cuts of so many bytes.
void carry(Owner& from, Http2Session& to, size_t cut) {
  ByteQueue& queue = from.output.queue;
  std::vector<uint8_t> bytes(queue.bytes().begin(), queue.bytes().end());
  queue.clear();
  for (size_t at = 0; at < bytes.size(); at += cut) {
    CHECK(to.receive(Room(bytes).subspan(at, std::min(cut, bytes.size() - at))));
    to.end_batch();
  }
}

bool receive(Http2Session& session, std::string text) {
  return session.receive({reinterpret_cast<uint8_t*>(text.data()), text.size()});
}

}  // namespace

TEST("http2: frame headers") {
  uint8_t bytes[kFrameHeader];
  put_frame_header(bytes, {0xabcdef, FrameType::goaway, 0x2d, 0x7fffffff});
  FrameHeader header = get_frame_header(bytes);
  CHECK_EQUAL(header.length, 0xabcdefu);
  CHECK(header.type == FrameType::goaway);
  CHECK_EQUAL(header.stream, 0x7fffffffu);
  bytes[5] |= 0x80;  // the reserved bit
  CHECK_EQUAL(get_frame_header(bytes).stream, 0x7fffffffu);
}

TEST("http2: a stream's life in cuts of every size") {
  for (size_t cut : {1ul, 2ul, 7ul, 100ul, 100000ul}) {
    Owner here, there;
    Listener client, server;
    Http2Session asking(Http2Session::Role::client, {}, here), answering(Http2Session::Role::server, {}, there);
    asking.start(here.output);
    answering.start(there.output);
    auto stream = asking.request("10.0.0.1:80", {{"baggage", std::string(20000, 'b')}}, &client);
    carry(here, answering, cut);
    CHECK_EQUAL(there.streams.size(), 1u);
    there.streams[0]->listener = &server;
    answering.respond(*there.streams[0], 200, {}, false);
    carry(there, asking, cut);
    CHECK_EQUAL(client.heard, "response 200;");
    Pieces places;
    asking.reserve_data(*stream, 5, places);
    CHECK_EQUAL(places.size(), 5u);
    asking.commit_data(*stream, 5);
    asking.end(*stream);
    carry(here, answering, 100000);
    CHECK_EQUAL(server.heard, "data 5;end;");
    answering.end(*there.streams[0]);
    carry(there, asking, cut);
    carry(here, answering, cut);
    CHECK_EQUAL(client.heard, "response 200;end;");
    CHECK_EQUAL(asking.streams() + answering.streams(), 0u);
    CHECK_EQUAL(here.ended + there.ended, 2);
  }
}

// Streams of a client whose peer allows megabytes.
struct Sending {
  Sending() {
    Owner there;
    Http2Session server(Http2Session::Role::server, {4 * 1024 * 1024, 16 * 1024 * 1024, 1024 * 1024}, there);
    session.start(here.output);
    server.start(there.output);
    carry(there, session, 100000);
    here.output.queue.clear();
  }
  // What it gets of so much.
  size_t read(Http2Stream& stream, size_t most) {
    Pieces places;
    session.reserve_data(stream, most, places);
    size_t got = places.size();
    if (got > 0) session.commit_data(stream, got);
    return got;
  }
  std::shared_ptr<Http2Stream> stream() { return session.request("10.0.0.1:80", {}, &listener); }

  Owner here;
  Listener listener;
  Http2Session session{Http2Session::Role::client, {}, here};
};

TEST("http2: what is quiet finds room behind bulk") {
  Sending sending;
  auto bulk = sending.stream(), quiet = sending.stream();
  CHECK_EQUAL(sending.read(*bulk, 200 * 1024), 200u * 1024);
  CHECK_EQUAL(sending.read(*bulk, 200 * 1024), 200u * 1024);
  CHECK_EQUAL(sending.read(*bulk, kBulkRead), kBulkRead);
  CHECK_EQUAL(sending.read(*bulk, kBulkRead), 0u);
  for (int i = 0; i < 10; i++) CHECK_EQUAL(sending.read(*quiet, kSmallRead), kSmallRead);
  while (sending.read(*quiet, kSmallRead) > 0) continue;
  CHECK(sending.here.output.backlog() < 2 * 1024 * 1024);
}

TEST("http2: a broken preface") {
  Owner owner;
  Http2Session session(Http2Session::Role::server, {}, owner);
  session.start(owner.output);
  CHECK(receive(session, "PRI * HT"));
  CHECK(!receive(session, "XX"));
  CHECK_EQUAL(session.reason(), "the peer sent no HTTP/2 preface");
  CHECK(!receive(session, "TP/2.0"));
}

TEST("http2: a lost session tells every stream once") {
  Owner owner;
  Listener one, two;
  Http2Session session(Http2Session::Role::client, {}, owner);
  session.start(owner.output);
  auto first = session.request("a:1", {}, &one), second = session.request("b:2", {}, &two);
  session.lose(TunnelLoss::error, "gone");
  CHECK_EQUAL(one.heard, "lost;");
  CHECK_EQUAL(two.heard, "lost;");
  CHECK(!first->open && !second->open);
  CHECK_EQUAL(owner.ended, 2);
}

// Found by fuzzing.
TEST("http2: a GOAWAY tells nobody who was dropped meanwhile") {
  Owner owner;
  std::vector<Listener> listeners(3);
  Http2Session session(Http2Session::Role::client, {}, owner);
  session.start(owner.output);
  // SETTINGS with MAX_CONCURRENT_STREAMS 2: the third waits.
  CHECK(receive(session, std::string("\0\0\6\4\0\0\0\0\0\0\3\0\0\0\2", 15)));
  std::vector<std::shared_ptr<Http2Stream>> streams;
  for (auto& listener : listeners) {
    streams.push_back(session.request("a:1", {}, &listener));
    listener.also = [&] {
      for (auto& stream : streams) session.reset(*stream, Http2Error::cancel);
    };
  }
  CHECK(receive(session, std::string("\0\0\10\7\0\0\0\0\0\0\0\0\0\0\0\0\0", 17)));
  std::string heard;
  for (auto& listener : listeners) heard += listener.heard;
  CHECK_EQUAL(heard, "reset REFUSED_STREAM;");
  CHECK_EQUAL(owner.ended, 3);
}

TEST("http2: requests and responses") {
  auto request = [](std::vector<HeaderField> fields) { return parse_request(std::move(fields)).has_value(); };
  CHECK(request({{":method", "CONNECT"}, {":authority", "a:1"}, {"baggage", "x"}}));
  CHECK(request({{":method", "GET"}, {":scheme", "https"}, {":path", "/"}}));
  CHECK(!request({}));
  CHECK(!request({{":method", "CONNECT"}, {":method", "CONNECT"}}));
  CHECK(!request({{":method", "CONNECT"}, {":scheme", "https"}}));
  CHECK(!request({{":method", "CONNECT"}, {"Baggage", "x"}}));
  CHECK(!request({{":method", "CONNECT"}, {"baggage", "x\r\ny"}}));
  CHECK(!request({{":method", "CONNECT"}, {"baggage", " x"}}));
  CHECK(!request({{":method", "CONNECT"}, {"connection", "close"}}));
  CHECK(!request({{"baggage", "x"}, {":method", "CONNECT"}}));
  CHECK(!request({{":method", "CONNECT"}, {":protocol", "websocket"}}));
  CHECK(parse_response({{":status", "200"}}).has_value());
  for (const char* status : {"", "20", "2000", "2x0", "-10"}) CHECK(!parse_response({{":status", status}}));
}

}  // namespace culvert::test
