#pragma once
#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>

namespace culvert {

// What handshakes may use beyond the default (docs/spec/hbone.md 1.1).
struct TlsProfile {
  bool tls12 = false;              // TLS 1.2 as well
  bool post_quantum_only = false;  // key exchange by X25519MLKEM768 and nothing else
};

// A certificate with its key and the roots that came with it, parsed once for all connections of both roles.
class TlsCredential {
 public:
  // PEM texts. Throws std::runtime_error with what OpenSSL says about them.
  TlsCredential(const std::string& certificate_chain, const std::string& private_key, const std::string& roots,
                std::optional<std::string> trust_domain, TlsProfile profile);

  SSL_CTX* client() const { return client_.get(); }
  SSL_CTX* server() const { return server_.get(); }
  const std::optional<std::string>& trust_domain() const { return trust_domain_; }

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  std::unique_ptr<SSL_CTX, Free> client_, server_;
  std::optional<std::string> trust_domain_;
};

}  // namespace culvert
