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

// PEM texts.
struct Leaf {
  std::string certificate, key;
};

// A certificate authority made on the spot: P-256, valid from an hour ago to an hour ahead.
class Authority {
 public:
  Authority();
  // One that another one signs for.
  explicit Authority(const Authority& issuer);

  Leaf leaf(const std::vector<std::string>& uris, const std::string& usages = "serverAuth,clientAuth") const;
  // A leaf that names these URIs, and this authority as the only root.
  std::shared_ptr<const TlsCredential> issue(const std::vector<std::string>& uris) const;
  std::string pem() const;
  // A revocation list of these certificates (PEM), DER.
  std::string revoke(const std::vector<std::string>& certificates) const;

 private:
  explicit Authority(const Authority* issuer);

  Key key_;
  Certificate root_;
};

std::shared_ptr<const TlsCredential> credential(const std::string& chain, const std::string& key,
                                                const std::string& roots);
Certificate parse_pem(const std::string& pem);

// For all tests of a run.
const Authority& authority();
std::shared_ptr<const TlsCredential> cart();
std::shared_ptr<const TlsCredential> stock();

}  // namespace culvert::test
