#include "tls-credential.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstring>
#include <set>
#include <stdexcept>

#include "openssl-channel.h"

namespace culvert {

namespace {

[[noreturn]] void fail(const char* what) {
  unsigned long code = ERR_get_error();
  ERR_clear_error();
  char reason[256];
  ERR_error_string_n(code, reason, sizeof reason);
  throw std::runtime_error(std::string(what) + ": " + (code == 0 ? "no reason given" : reason));
}

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Reader = std::unique_ptr<BIO, FreeBio>;

Reader reader(const std::string& pem) { return Reader(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))); }

struct FreeX509 {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using Certificate = std::unique_ptr<X509, FreeX509>;

Certificate next_certificate(BIO* from) {
  Certificate certificate(PEM_read_bio_X509(from, nullptr, nullptr, nullptr));
  if (certificate == nullptr && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) ERR_clear_error();
  return certificate;
}

void use_chain(SSL_CTX* context, const std::string& pem) {
  Reader from = reader(pem);
  Certificate leaf = next_certificate(from.get());
  if (leaf == nullptr || SSL_CTX_use_certificate(context, leaf.get()) != 1) fail("the certificate chain");
  while (Certificate intermediate = next_certificate(from.get())) {
    if (SSL_CTX_add1_chain_cert(context, intermediate.get()) != 1) fail("the certificate chain");
  }
  if (ERR_peek_error() != 0) fail("the certificate chain");
}

void use_key(SSL_CTX* context, const std::string& pem) {
  Reader from = reader(pem);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(from.get(), nullptr, nullptr, nullptr);
  bool used = key != nullptr && SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_check_private_key(context) == 1;
  EVP_PKEY_free(key);
  if (!used) fail("the private key");
}

// Of several roots with one name the key tells: OpenSSL would try one alone where certificates name no key of their issuer.
int is_issuer(X509_STORE_CTX*, X509* certificate, X509* issuer) {
  int named = X509_check_issued(issuer, certificate);
  if (named != X509_V_OK && named != X509_V_ERR_KEYUSAGE_NO_CERTSIGN) return 0;
  ERR_set_mark();
  int verified = X509_verify(certificate, X509_get0_pubkey(issuer));
  ERR_pop_to_mark();
  return verified == 1;
}

// The subject names of the roots also tell a client which certificate is wanted.
void use_roots(SSL_CTX* context, const std::string& pem, bool server) {
  Reader from = reader(pem);
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  std::set<unsigned long> names;
  while (Certificate root = next_certificate(from.get())) {
    if (X509_STORE_add_cert(store, root.get()) != 1) fail("the roots");
    if (!names.insert(X509_subject_name_hash(root.get())).second) X509_STORE_set_check_issued(store, is_issuer);
    if (server && SSL_CTX_add_client_CA(context, root.get()) != 1) fail("the roots");
  }
  if (ERR_peek_error() != 0) fail("the roots");
}

int select_h2(SSL*, const unsigned char** out, unsigned char* length, const unsigned char* offered, unsigned size, void*) {
  for (unsigned i = 0; i < size && i + offered[i] < size; i += offered[i] + 1u) {
    if (offered[i] != 2 || std::memcmp(offered + i + 1, "h2", 2) != 0) continue;
    *out = offered + i + 1;
    *length = 2;
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;  // no_application_protocol
}

// docs/spec/hbone.md 1.1.
SSL_CTX* make_context(bool server, TlsProfile profile) {
  SSL_CTX* context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
  if (context == nullptr) fail("a TLS context");
  SSL_CTX_set_min_proto_version(context, profile.tls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
  SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256");
  if (profile.tls12) {
    SSL_CTX_set_cipher_list(context,
                            "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:"
                            "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256");
  }
  if (profile.post_quantum_only) {
    if (SSL_CTX_set1_groups_list(context, "X25519MLKEM768") != 1) fail("X25519MLKEM768, which needs OpenSSL 3.5");
  } else if (SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384:X25519MLKEM768") != 1) {
    // OpenSSL before 3.5 does not know the last of them.
    ERR_clear_error();
    if (SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") != 1) fail("the key exchange groups");
  }
  // Every handshake is full: no tickets, no sessions, no early data.
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
#ifdef SSL_OP_NO_TX_CERTIFICATE_COMPRESSION
  // Where OpenSSL has Brotli (Node's does), a client would compress its certificates anew in every handshake: 3 ms.
  SSL_CTX_set_options(context, SSL_OP_NO_TX_CERTIFICATE_COMPRESSION | SSL_OP_NO_RX_CERTIFICATE_COMPRESSION);
#endif
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  // Only the chain as it was given: OpenSSL would complete it with the root.
  SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  // Any root that was given is an anchor, its own issuer or not, with at most six certificates between it and the leaf.
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
  SSL_CTX_set_verify_depth(context, 6);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(context, OpensslChannel::verify_peer, nullptr);
  SSL_CTX_set_keylog_callback(context, OpensslChannel::note_secret);
  static const unsigned char h2[] = "\x02h2";
  if (server) SSL_CTX_set_alpn_select_cb(context, select_h2, nullptr);
  else SSL_CTX_set_alpn_protos(context, h2, 3);
  return context;
}

}  // namespace

TlsCredential::TlsCredential(const std::string& certificate_chain, const std::string& private_key,
                             const std::string& roots, std::optional<std::string> trust_domain, TlsProfile profile)
    : trust_domain_(std::move(trust_domain)) {
  ERR_clear_error();
  for (bool server : {false, true}) {
    auto& context = server ? server_ : client_;
    context.reset(make_context(server, profile));
    use_chain(context.get(), certificate_chain);
    use_key(context.get(), private_key);
    use_roots(context.get(), roots, server);
  }
}

}  // namespace culvert
