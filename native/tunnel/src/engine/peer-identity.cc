#include "peer-identity.h"

#include <openssl/x509v3.h>

#include <algorithm>
#include <string_view>

namespace culvert {

namespace {

constexpr std::string_view kScheme = "spiffe://";

// Exactly five parts, no check of characters, length or emptiness, like packages/spiffe and both upstream parsers.
bool is_spiffe_id(std::string_view text) {
  if (!text.starts_with(kScheme)) return false;
  std::vector<std::string_view> parts;
  std::string_view rest = text.substr(kScheme.size());
  for (size_t slash; (slash = rest.find('/')) != std::string_view::npos; rest = rest.substr(slash + 1)) {
    parts.push_back(rest.substr(0, slash));
  }
  parts.push_back(rest);
  return parts.size() == 5 && parts[1] == "ns" && parts[3] == "sa";
}

std::string_view trust_domain(std::string_view id) {
  std::string_view rest = id.substr(kScheme.size());
  return rest.substr(0, rest.find('/'));
}

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const auto& text : texts) all += (all.empty() ? "" : ",") + text;
  return all;
}

std::string mismatch(const std::string& expected, const std::string& presented) {
  return "invalid peer certificate: Other(OtherError(identity verification error: peer did not present the expected " +
         expected + ", got " + presented + "))";
}

}  // namespace

std::vector<std::string> uri_sans(X509* leaf) {
  std::vector<std::string> uris;
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, nullptr, nullptr));
  if (names == nullptr) return uris;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
    uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)), ASN1_STRING_length(uri));
  }
  GENERAL_NAMES_free(names);
  return uris;
}

std::vector<std::string> spiffe_ids(std::vector<std::string> uris) {
  std::erase_if(uris, [](const std::string& uri) { return !is_spiffe_id(uri); });
  return uris;
}

std::optional<std::string> peer_problem(const std::vector<std::string>& uris, const PeerRule& rule) {
  std::vector<std::string> ids = spiffe_ids(uris);
  if (rule.peer_is_server) {
    for (const auto& id : ids) {
      if (std::ranges::find(rule.expected_identities, id) != rule.expected_identities.end()) return std::nullopt;
    }
    return mismatch("SAN (" + joined(rule.expected_identities) + ")", joined(uris));
  }
  if (!rule.trust_domain) return std::nullopt;
  for (const auto& id : ids) {
    if (trust_domain(id) == *rule.trust_domain) return std::nullopt;
  }
  return mismatch("trustdomain (" + *rule.trust_domain + ")", joined(ids));
}

}  // namespace culvert
