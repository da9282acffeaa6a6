#pragma once
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

#include "../src/engine/tls-credential.h"

namespace culvert::test {

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;
using Certificate = std::unique_ptr<X509, FreeCertificate>;

inline constexpr const char* kCart = "spiffe://mesh.test/ns/shop/sa/cart";
inline constexpr const char* kStock = "spiffe://mesh.test/ns/shop/sa/stock";

// A certificate authority made on the spot: P-256, valid from an hour ago to an hour ahead.
class Authority {
 public:
  Authority();

  // A leaf that names these URIs.
  std::shared_ptr<const TlsCredential> issue(const std::vector<std::string>& uris) const;
  std::string pem() const;

 private:
  Key key_;
  Certificate root_;
};

// For all tests of a run.
const Authority& authority();
std::shared_ptr<const TlsCredential> cart();
std::shared_ptr<const TlsCredential> stock();

}  // namespace culvert::test
