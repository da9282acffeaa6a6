#pragma once
#include <openssl/x509.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace culvert {

struct FreeCertificates {
  void operator()(STACK_OF(X509)* certificates) const { sk_X509_pop_free(certificates, X509_free); }
};
// A verified path, leaf first, anchor last.
using CertificatePath = std::shared_ptr<STACK_OF(X509)>;

// Certificates that peers may not show any more (docs/spec/identity-ca.md 4.8). Never changes; any thread may ask.
class Revocations {
 public:
  // One list each, DER. Throws std::runtime_error with what OpenSSL says about one of them.
  explicit Revocations(const std::vector<std::string>& lists);

  // X509_V_OK, or why the path cannot be used. The first list of an issuer speaks for it, however old; certificates
  // of an issuer without a list are good, and so is the anchor.
  int judge(const STACK_OF(X509)* path) const;

 private:
  struct Free {
    void operator()(X509_CRL* list) const { X509_CRL_free(list); }
  };
  using List = std::unique_ptr<X509_CRL, Free>;

  X509_CRL* list_of(const X509* certificate) const;
  bool signed_by(X509_CRL* list, X509* issuer) const;

  std::vector<List> lists_;
  // A list can be long and its signature slow to check: done once for each issuer's key.
  mutable std::mutex mutex_;
  mutable std::map<std::pair<const X509_CRL*, std::string>, bool> checked_;
};

}  // namespace culvert
