#pragma once
#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>

#include "verified-chains.h"

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
  TlsCredential(const TlsCredential&) = delete;
  TlsCredential& operator=(const TlsCredential&) = delete;

  SSL_CTX* client() const { return client_.get(); }
  SSL_CTX* server() const { return server_.get(); }
  // Chains of servers, as clients of this credential verify them; and of clients.
  VerifiedChains& known_servers() const { return known_servers_; }
  VerifiedChains& known_clients() const { return known_clients_; }
  const std::optional<std::string>& trust_domain() const { return trust_domain_; }

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  std::unique_ptr<SSL_CTX, Free> client_, server_;
  mutable VerifiedChains known_servers_, known_clients_;
  std::optional<std::string> trust_domain_;
};

}  // namespace culvert
