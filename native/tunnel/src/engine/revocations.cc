#include "revocations.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <stdexcept>

namespace culvert {

Revocations::Revocations(const std::vector<std::string>& lists) {
  for (const auto& der : lists) {
    ERR_clear_error();
    auto* from = reinterpret_cast<const unsigned char*>(der.data());
    List list(d2i_X509_CRL(nullptr, &from, static_cast<long>(der.size())));
    if (list == nullptr) {
      const char* reason = ERR_reason_error_string(ERR_peek_last_error());
      ERR_clear_error();
      throw std::runtime_error(std::string("a revocation list cannot be parsed: ") + (reason == nullptr ? "no reason given" : reason));
    }
    lists_.push_back(std::move(list));
  }
}

X509_CRL* Revocations::list_of(const X509* certificate) const {
  for (const auto& list : lists_) {
    if (X509_NAME_cmp(X509_CRL_get_issuer(list.get()), X509_get_issuer_name(certificate)) == 0) return list.get();
  }
  return nullptr;
}

bool Revocations::signed_by(X509_CRL* list, X509* issuer) const {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (X509_pubkey_digest(issuer, EVP_sha256(), digest, &size) != 1) return false;
  std::pair<const X509_CRL*, std::string> key{list, std::string(reinterpret_cast<char*>(digest), size)};
  {
    std::lock_guard lock(mutex_);
    auto known = checked_.find(key);
    if (known != checked_.end()) return known->second;
  }
  bool good = X509_CRL_verify(list, X509_get0_pubkey(issuer)) == 1;
  ERR_clear_error();
  std::lock_guard lock(mutex_);
  checked_[key] = good;
  return good;
}

int Revocations::judge(const STACK_OF(X509)* path) const {
  for (int i = 0; i + 1 < sk_X509_num(path); i++) {
    X509* certificate = sk_X509_value(path, i);
    X509_CRL* list = list_of(certificate);
    if (list == nullptr) continue;
    X509* issuer = sk_X509_value(path, i + 1);
    // What is the anchor may sign lists whatever its certificate says.
    bool anchor = i + 2 == sk_X509_num(path);
    if (!anchor && (X509_get_key_usage(issuer) & X509v3_KU_CRL_SIGN) == 0) return X509_V_ERR_KEYUSAGE_NO_CRL_SIGN;
    if (!signed_by(list, issuer)) return X509_V_ERR_CRL_SIGNATURE_FAILURE;
    X509_REVOKED* entry = nullptr;
    // 2: it was taken off the list again.
    if (X509_CRL_get0_by_serial(list, &entry, X509_get0_serialNumber(certificate)) == 1) return X509_V_ERR_CERT_REVOKED;
  }
  return X509_V_OK;
}

}  // namespace culvert
