#pragma once
#include <openssl/ssl.h>

#include <optional>

#include "peer-identity.h"
#include "record-cipher.h"
#include "tls-channel.h"
#include "tls-credential.h"

namespace culvert {

// All of TLS by OpenSSL, on a BIO over whole buffers: a system call per record would be the largest mistake available.
class OpensslChannel final : public TlsChannel {
 public:
  // The credential stays where it is until the handshake is over.
  OpensslChannel(const TlsCredential& credential, PeerRule rule);
  ~OpensslChannel() override;

  enum class Handshake { unfinished, done, failed };
  // Goes on with what was fed.
  Handshake handshake();
  // First SPIFFE id in the peer's leaf; empty: none.
  const std::string& peer_identity() const { return peer_identity_; }

  void feed(Room ciphertext) override { in_ = ciphertext; }
  Plaintext read(Room scratch) override;
  bool seal() override;
  void close() override;
  Bytes sealed() const override { return sealed_.bytes(); }
  void sent(size_t count) override { sealed_.consume(count); }
  std::string reason() const override { return reason_; }

  void reserve(size_t count) override { open_.reserve(count); }
  void places(size_t offset, size_t count, Pieces& to) override { to.add({open_.end() + offset, count}); }
  void commit(size_t count) override;
  size_t backlog() const override { return open_.size() + sealed_.size(); }

  // What goes on without OpenSSL: nothing unless this is TLS 1.3 after its handshake.
  struct Secrets {
    bool client;
    uint16_t suite;
    TrafficSecret in, out;
  };
  std::optional<Secrets> secrets() const;
  // Fed, and not read.
  Room unread() const { return in_; }

  // SSL_CTX_set_keylog_callback, the only way to the traffic secrets.
  static void note_secret(const SSL* ssl, const char* line);
  // SSL_CTX_set_cert_verify_callback.
  static int verify_peer(X509_STORE_CTX* context, void*);

 private:
  struct Bio;

  void note_failure();

  SSL* ssl_;
  VerifiedChains& known_;
  PeerRule rule_;
  Room in_;
  ByteQueue open_, sealed_;
  std::string reason_, peer_identity_;
  TrafficSecret client_secret_, server_secret_;
};

}  // namespace culvert
