#pragma once
#include <openssl/ssl.h>

#include "peer-identity.h"
#include "tls-channel.h"
#include "tls-credential.h"

namespace culvert {

// All of TLS by OpenSSL, on a BIO over whole buffers: a system call per record would be the largest mistake available.
class OpensslChannel final : public TlsChannel {
 public:
  OpensslChannel(const TlsCredential& credential, PeerRule rule);
  ~OpensslChannel() override;

  void feed(Bytes ciphertext) override { in_ = ciphertext; }
  Handshake handshake() override;
  ssize_t read(Room room) override;
  bool write(Bytes plaintext) override;
  void close() override;
  std::string reason() const override { return reason_; }
  std::string peer_identity() const override { return peer_identity_; }

  // SSL_CTX_set_cert_verify_callback: chain first, then whom the leaf names.
  static int verify_peer(X509_STORE_CTX* context, void*);

 private:
  struct Bio;

  void note_failure();

  SSL* ssl_;
  PeerRule rule_;
  Bytes in_;
  std::string reason_, peer_identity_;
};

}  // namespace culvert
