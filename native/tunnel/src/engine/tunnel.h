#pragma once
#include <memory>
#include <string>

#include "http2-session.h"
#include "loop.h"
#include "peer-identity.h"
#include "openssl-channel.h"
#include "record-channel.h"
#include "values.h"

namespace culvert {

class Tunnel;

// What a tunnel's ciphertext travels on: a TCP connection, or a stream of another tunnel.
class Transport {
 public:
  virtual ~Transport() = default;
  // How much it took; 0: wait for `Tunnel::on_sendable`; -1: broken.
  virtual ssize_t send(Bytes bytes) = 0;
  // Everything was sent: half-close.
  virtual void finish() = 0;
  virtual void close() = 0;
  // What was taken by `send` and would be lost by `close`.
  virtual size_t unsent() const { return 0; }
  // So much of what was received is still held here.
  virtual void hold(size_t) {}
  // Since when it reads what comes, in milliseconds of `now`: it does not always, for want of memory.
  virtual int64_t reading_since() const = 0;
};

class TunnelOwner {
 public:
  virtual ~TunnelOwner() = default;
  // The TLS handshake is done.
  virtual void on_tunnel_open(Tunnel& tunnel) = 0;
  // It never will be; or, on a server, HTTP/2 never began. `on_tunnel_closed` follows.
  virtual void on_tunnel_failed(Tunnel& tunnel, Failure failure) = 0;
  virtual void on_tunnel_request(Tunnel& tunnel, std::shared_ptr<Http2Stream> stream, Http2Request request) = 0;
  // A stream less, or no longer usable.
  virtual void on_tunnel_changed(Tunnel& tunnel) = 0;
  // Its transport is gone; the last call.
  virtual void on_tunnel_closed(Tunnel& tunnel) = 0;
};

// Mutual TLS and HTTP/2 over a transport: one connection of hbone section 1, either role, from its first byte to its
// last. Lives on one loop.
class Tunnel final : public std::enable_shared_from_this<Tunnel>, private Http2Session::Owner {
 public:
  struct Options {
    Http2Session::Role role;
    std::shared_ptr<const TlsCredential> credential;
    std::vector<std::string> expected_identities;
    Http2Settings http2;
    TlsSettings tls;
    int handshake_timeout = 0;
    int depth = 0;  // 1: inside a stream of another
  };

  Tunnel(Loop& loop, Options options, TunnelOwner* owner);

  void start(std::unique_ptr<Transport> transport);

  Http2Session& session() { return session_; }
  bool shaking_hands() const { return state_ == State::handshake; }
  bool usable() const { return state_ == State::open && session_.usable(); }
  size_t streams() const { return session_.streams(); }
  bool saturated() const { return session_.saturated(); }
  int64_t reading_since() const { return transport_->reading_since(); }
  Loop& loop() { return loop_; }
  // By the lists of now. Never while nobody looked when it began.
  bool revoked() const;
  // The same, but true only once: for who tells of it.
  bool newly_revoked() { return !revocation_told_ && (revocation_told_ = revoked()); }
  const std::string& peer_identity() const { return peer_identity_; }
  bool is_server() const { return options_.role == Http2Session::Role::server; }

  // GOAWAY now; the connection closes when its last stream ends.
  void release();
  // A server's graceful end: what is on its way still counts (hbone 1.7).
  void drain();
  // Drops everything on it. A server says GOAWAY first.
  void destroy();
  void forget_owner() { owner_ = nullptr; }
  // Its handshake ends with this.
  void fail(Failure failure);

  // The transport's.
  void on_bytes(Room ciphertext);
  void on_sendable() { flush_.this_round(); }
  // 0: the peer ended it; else an errno.
  void on_transport_end(int error);

 private:
  enum class State { handshake, open, closing, closed };

  void on_request(std::shared_ptr<Http2Stream> stream, Http2Request request) override;
  void on_output() override { flush_.this_round(); }
  bool short_of_memory() const override { return loop_.short_of_memory(); }
  void on_credit() override { if (transport_ != nullptr) transport_->hold(session_.held()); }
  void on_stream_ended() override;
  void on_goaway() override;
  void on_pong(Http2Session::Ping ping) override;

  void shake_hands();
  void use_own_records();
  void read_plaintext();
  void flush();
  void on_handshake_timeout();
  void on_ping_time();
  void fail_handshake(std::string detail) { fail({FailureCode::io, std::move(detail)}); }
  void lose(TunnelLoss loss, const std::string& reason);
  // How it ends (tunnel-end.cc).
  void on_announced();
  void linger(int64_t patience);
  void finish();
  void on_linger_timeout();
  void close();

  Loop& loop_;
  const Options options_;
  TunnelOwner* owner_;
  State state_ = State::handshake;
  std::unique_ptr<Transport> transport_;
  CertificatePath peer_path_;  // while revocation is looked at
  std::unique_ptr<OpensslChannel> openssl_;  // for the handshake at least
  std::unique_ptr<RecordChannel> records_;
  TlsChannel* channel_;
  Http2Session session_;
  std::string peer_identity_;
  Deferred flush_, wake_;
  Timer deadline_;  // of the handshake, then of the greeting, then of lingering
  Timer ping_;
  int64_t patience_ = 0, stalled_ = 0;  // while it lingers, in milliseconds
  size_t unsent_ = SIZE_MAX;
  bool ping_sent_ = false, releasing_ = false, announced_ = false, finished_ = false, reported_ = false;
  bool revocation_told_ = false;
};

}  // namespace culvert
