#pragma once
#include <array>
#include <cstdint>
#include <ctime>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "revocations.h"

namespace culvert {

// Peers' certificate chains that were found good under one credential's roots for one role. The chain of certificates
// never changes, nor do the roots of a credential, so what is left to ask of a chain that comes again is the time, what
// is revoked meanwhile, and whether this peer is the one who is wanted; and, in every handshake, whether it has the key.
// Only what is good is kept. Any thread may ask.
class VerifiedChains {
 public:
  struct Chain {
    std::vector<std::string> uris;  // the leaf's subject alternative names (`uri_sans`)
    // To the anchor, when somebody looked at revocation; else null.
    CertificatePath path;
    // When every certificate but the anchor is valid: from the first second to the one before the last.
    time_t not_before, not_after;

    bool valid(time_t at) const { return not_before <= at && at < not_after; }
  };
  // SHA-256 of the certificates as the peer sent them.
  using Key = std::array<uint8_t, 32>;

  // Two generations of so many: a peer with many chains costs memory up to here, and others no more than their place.
  static constexpr size_t kMost = 256;

  static std::optional<Key> key_of(const STACK_OF(X509)* presented);
  static std::shared_ptr<const Chain> describe(STACK_OF(X509)* path, bool keep_path);

  // Null: verify it.
  std::shared_ptr<const Chain> find(const Key& key, time_t at);
  void add(const Key& key, std::shared_ptr<const Chain> chain);
  size_t size() const;

 private:
  using Generation = std::map<Key, std::shared_ptr<const Chain>>;

  void put(const Key& key, std::shared_ptr<const Chain> chain);

  mutable std::mutex mutex_;
  Generation young_, old_;
};

}  // namespace culvert
