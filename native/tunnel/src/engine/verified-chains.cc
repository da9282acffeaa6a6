#include "verified-chains.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <algorithm>
#include <utility>

#include "peer-identity.h"

namespace culvert {

namespace {

// Fetched once: finding an implementation by name takes locks.
const EVP_MD* sha256() {
  static const EVP_MD* const fetched = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return fetched;
}

std::optional<time_t> seconds(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return timegm(&parts);
}

}  // namespace

std::optional<VerifiedChains::Key> VerifiedChains::key_of(const STACK_OF(X509)* presented) {
  // DER says itself where it ends, so one behind the other is no other chain.
  std::vector<uint8_t> der;
  for (int i = 0; i < sk_X509_num(presented); i++) {
    X509* certificate = sk_X509_value(presented, i);
    int size = i2d_X509(certificate, nullptr);
    if (size <= 0) return std::nullopt;
    der.resize(der.size() + static_cast<size_t>(size));
    uint8_t* at = der.data() + der.size() - size;
    if (i2d_X509(certificate, &at) != size) return std::nullopt;
  }
  Key key;
  unsigned size = 0;
  if (der.empty() || EVP_Digest(der.data(), der.size(), key.data(), &size, sha256(), nullptr) != 1) return std::nullopt;
  return size == key.size() ? std::optional(key) : std::nullopt;
}

std::shared_ptr<const VerifiedChains::Chain> VerifiedChains::describe(STACK_OF(X509)* path, bool keep_path) {
  auto chain = std::make_shared<Chain>(Chain{uri_sans(sk_X509_value(path, 0)), nullptr, 0, 0});
  if (keep_path) chain->path = {X509_chain_up_ref(path), FreeCertificates()};
  for (int i = 0; i == 0 || i + 1 < sk_X509_num(path); i++) {
    const X509* certificate = sk_X509_value(path, i);
    auto from = seconds(X509_get0_notBefore(certificate)), to = seconds(X509_get0_notAfter(certificate));
    // A time that cannot be read: never valid, so never kept.
    if (!from || !to) return std::make_shared<Chain>(Chain{chain->uris, chain->path, 0, 0});
    chain->not_before = i == 0 ? *from : std::max(chain->not_before, *from);
    chain->not_after = i == 0 ? *to : std::min(chain->not_after, *to);
  }
  return chain;
}

std::shared_ptr<const VerifiedChains::Chain> VerifiedChains::find(const Key& key, time_t at) {
  std::lock_guard lock(mutex_);
  auto found = young_.find(key);
  if (found == young_.end()) {
    auto kept = old_.extract(key);
    if (!kept) return nullptr;
    put(key, std::move(kept.mapped()));
    found = young_.find(key);
  }
  if (found->second->valid(at)) return found->second;
  young_.erase(found);
  return nullptr;
}

void VerifiedChains::add(const Key& key, std::shared_ptr<const Chain> chain) {
  std::lock_guard lock(mutex_);
  put(key, std::move(chain));
}

// What nobody asked for while a generation filled goes with the one before.
void VerifiedChains::put(const Key& key, std::shared_ptr<const Chain> chain) {
  if (young_.size() >= kMost && !young_.contains(key)) old_ = std::exchange(young_, {});
  young_[key] = std::move(chain);
}

size_t VerifiedChains::size() const {
  std::lock_guard lock(mutex_);
  return young_.size() + old_.size();
}

}  // namespace culvert
