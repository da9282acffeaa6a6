#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>

#include "../../src/engine/peer-identity.h"
#include "../certificates.h"
#include "must.h"
#include "targets.h"

// A peer's certificate: the whole of it, or (first byte odd) the value of a subjectAltName extension in a sound one.
namespace culvert::fuzz {

namespace {

test::Certificate parse(Input der) {
  const uint8_t* at = der.data();
  return test::Certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
}

test::Certificate with_names(Input value) {
  test::Certificate certificate(X509_new());
  ASN1_OCTET_STRING* octets = ASN1_OCTET_STRING_new();
  ASN1_OCTET_STRING_set(octets, value.data(), static_cast<int>(value.size()));
  X509_EXTENSION* extension = X509_EXTENSION_create_by_NID(nullptr, NID_subject_alt_name, 0, octets);
  X509_add_ext(certificate.get(), extension, -1);
  X509_EXTENSION_free(extension);
  ASN1_OCTET_STRING_free(octets);
  return certificate;
}

std::vector<uint8_t> names(const std::vector<std::pair<uint8_t, std::string>>& all) {
  std::vector<uint8_t> content;
  for (const auto& [tag, text] : all) {
    content.push_back(tag);
    content.push_back(static_cast<uint8_t>(text.size()));
    content.insert(content.end(), text.begin(), text.end());
  }
  std::vector<uint8_t> seed{1, 0x30, 0x81, static_cast<uint8_t>(content.size())};
  seed.insert(seed.end(), content.begin(), content.end());
  return seed;
}

}  // namespace

void run_identity(Input input) {
  Script script(input);
  bool extension = script.byte() % 2 == 1;
  test::Certificate leaf = extension ? with_names(script.rest()) : parse(script.rest());
  ERR_clear_error();
  if (leaf == nullptr) return;
  auto uris = uri_sans(leaf.get());
  auto ids = spiffe_ids(uris);
  for (const auto& id : ids) {
    MUST(id.starts_with("spiffe://"));
    MUST(std::ranges::find(uris, id) != uris.end());
  }
  // A server is accepted for a name that it holds, and for nothing else; a client for its trust domain.
  MUST(peer_problem(uris, {true, {}, {}}).has_value());
  for (const auto& id : ids) MUST(!peer_problem(uris, {true, {id}, {}}));
  MUST(!peer_problem(uris, {false, {}, {}}));
  bool ours = std::ranges::any_of(ids, [](const std::string& id) { return id.starts_with("spiffe://mesh.test/"); });
  MUST(peer_problem(uris, {false, {}, "mesh.test"}).has_value() == !ours);
  ERR_clear_error();
}

Seeds identity_seeds() {
  constexpr uint8_t uri = 0x86, dns = 0x82;
  Seeds seeds{names({{uri, test::kCart}}),
              names({{dns, "cart.mesh.test"}, {uri, "https://mesh.test/"}, {uri, test::kStock}}),
              names({{uri, "spiffe://mesh.test/ns//sa/"}, {uri, std::string("spiffe://mesh.test\0/ns/a/sa/b", 29)}}),
              names({{uri, ""}, {0x88, "\x2a\x03\x04"}, {0x87, "\x7f\x01\x01\x01"}}),
              {1, 0x30, 0x80, 0x86, 0x84, 0xff, 0xff, 0xff, 0xff}};
  X509* leaf = SSL_CTX_get0_certificate(test::cart()->server());
  unsigned char* der = nullptr;
  int length = i2d_X509(leaf, &der);
  MUST(length > 0);
  std::vector<uint8_t> whole{0};
  whole.insert(whole.end(), der, der + length);
  OPENSSL_free(der);
  seeds.push_back(whole);
  return seeds;
}

}  // namespace culvert::fuzz
