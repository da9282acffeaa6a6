#include "peer-verification.h"

#include <openssl/x509v3.h>

#include <ctime>
#include <utility>

namespace culvert {

namespace {

using Known = std::shared_ptr<const VerifiedChains::Chain>;

std::string verification_reason(long result) {
  switch (result) {
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY: return "invalid peer certificate: UnknownIssuer";
    case X509_V_ERR_CERT_HAS_EXPIRED: return "invalid peer certificate: Expired";
    case X509_V_ERR_CERT_NOT_YET_VALID: return "invalid peer certificate: NotValidYet";
    case X509_V_ERR_CERT_SIGNATURE_FAILURE: return "invalid peer certificate: BadSignature";
    case X509_V_ERR_CERT_REVOKED: return "invalid peer certificate: Revoked";
    case X509_V_ERR_INVALID_PURPOSE: return "invalid peer certificate: InvalidPurpose";
    default: return std::string("invalid peer certificate: ") + X509_verify_cert_error_string(result);
  }
}

// An error OpenSSL knows no alert for becomes certificate_unknown, as the specification wants.
constexpr int kNoAlertOfItsOwn = X509_V_ERR_SUBTREE_MINMAX;

// An anchor is a name and a key: its own dates say nothing (docs/spec/identity-ca.md 4.7).
int forgive_anchor(int good, X509_STORE_CTX* context) {
  if (good == 1) return 1;
  int error = X509_STORE_CTX_get_error(context);
  if (error != X509_V_ERR_CERT_HAS_EXPIRED && error != X509_V_ERR_CERT_NOT_YET_VALID) return 0;
  int depth = X509_STORE_CTX_get_error_depth(context);
  // A leaf stays one, even among the roots.
  if (depth == 0 || depth + 1 != sk_X509_num(X509_STORE_CTX_get0_chain(context))) return 0;
  X509_STORE_CTX_set_error(context, X509_V_OK);
  return 1;
}

PeerVerdict refuse(int error) { return {error, verification_reason(error), ""}; }

// The whole path to an anchor.
int verify_path(X509_STORE_CTX* context) {
  X509_STORE_CTX_set_verify_cb(context, forgive_anchor);
  if (X509_verify_cert(context) == 1) return X509_V_OK;
  int error = X509_STORE_CTX_get_error(context);
  return error == X509_V_OK ? X509_V_ERR_UNSPECIFIED : error;
}

// What the peer sent is the path, maybe without its anchor, in its order (RFC 8446 4.4.2). With certificates of its own
// choice behind a good leaf, one peer could be any number of chains, and those of all others would be forgotten.
bool begins(const STACK_OF(X509)* presented, const STACK_OF(X509)* path) {
  int count = sk_X509_num(presented);
  if (count > sk_X509_num(path)) return false;
  for (int i = 0; i < count; i++) {
    if (X509_cmp(sk_X509_value(presented, i), sk_X509_value(path, i)) != 0) return false;
  }
  return true;
}

}  // namespace

PeerVerdict verify_peer(X509_STORE_CTX* context, const PeerRule& rule, VerifiedChains& known) {
  const Revocations* revocations = rule.revocations == nullptr ? nullptr : rule.revocations->get();
  time_t at = X509_VERIFY_PARAM_get_time(X509_STORE_CTX_get0_param(context));
  if (at == 0) at = std::time(nullptr);
  const STACK_OF(X509)* presented = X509_STORE_CTX_get0_untrusted(context);
  auto key = VerifiedChains::key_of(presented);
  Known chain = key ? known.find(*key, at) : nullptr;
  if (chain == nullptr || (revocations != nullptr && chain->path == nullptr)) {
    if (int error = verify_path(context); error != X509_V_OK) return refuse(error);
    if (X509_check_ca(X509_STORE_CTX_get0_cert(context)) == 1) {
      return {kNoAlertOfItsOwn, "invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))", ""};
    }
    STACK_OF(X509)* path = X509_STORE_CTX_get0_chain(context);
    chain = VerifiedChains::describe(path, revocations != nullptr);
    if (key && chain->valid(at) && begins(presented, path)) known.add(*key, chain);
  }
  if (revocations != nullptr) {
    // It could not be copied; of no path nothing is revoked.
    if (chain->path == nullptr) return refuse(X509_V_ERR_OUT_OF_MEM);
    *rule.path = chain->path;
    if (int error = revocations->judge(chain->path.get()); error != X509_V_OK) return refuse(error);
  }
  if (auto problem = peer_problem(chain->uris, rule)) return {kNoAlertOfItsOwn, *problem, ""};
  auto ids = spiffe_ids(chain->uris);
  return {X509_V_OK, "", ids.empty() ? "" : std::move(ids.front())};
}

}  // namespace culvert
