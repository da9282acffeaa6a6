#pragma once
#include <openssl/x509_vfy.h>

#include <string>

#include "peer-identity.h"
#include "verified-chains.h"

namespace culvert {

struct PeerVerdict {
  int error = X509_V_OK;  // otherwise it decides the alert
  std::string reason;     // why not, in the words operators of ambient meshes search for
  std::string identity;   // first SPIFFE id in the leaf; empty: none
};

// Whether the peer may be who it says: its chain, what is revoked, whom its leaf names (docs/spec/hbone.md 1.1). That it
// has the key is the handshake's to see. By the time in the context's parameters, or else by now.
PeerVerdict verify_peer(X509_STORE_CTX* context, const PeerRule& rule, VerifiedChains& known);

}  // namespace culvert
