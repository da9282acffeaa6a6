#pragma once
#include <openssl/x509.h>

#include <optional>
#include <string>
#include <vector>

#include "revocations.h"

namespace culvert {

// Whom a peer's leaf must name (docs/spec/hbone.md 1.1). The lists are TypeScript's; here they are compared.
struct PeerRule {
  bool peer_is_server = false;
  std::vector<std::string> expected_identities;    // of which a server must hold one
  std::optional<std::string> trust_domain;         // of which a client must be; none: not checked
  // What is revoked at the moment, null while nobody asks; then also where to leave the path, for a later look: also of
  // a peer that is refused because something on it is revoked.
  const std::shared_ptr<const Revocations>* revocations = nullptr;
  CertificatePath* path = nullptr;
};

// The URI subject alternative names of a certificate, in order, unparsed.
std::vector<std::string> uri_sans(X509* leaf);

// Those of them that are `spiffe://<td>/ns/<ns>/sa/<sa>`.
std::vector<std::string> spiffe_ids(std::vector<std::string> uris);

// Why the peer whose leaf has these URIs is not who it must be: the text of the access log.
std::optional<std::string> peer_problem(const std::vector<std::string>& uris, const PeerRule& rule);

}  // namespace culvert
