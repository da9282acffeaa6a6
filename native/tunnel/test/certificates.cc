#include "certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <stdexcept>

namespace culvert::test {

namespace {

void must(bool good, const char* what) {
  if (!good) throw std::runtime_error(std::string("cannot make a test certificate: ") + what);
}

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};

template <typename Write>
std::string to_pem(Write write) {
  std::unique_ptr<BIO, FreeBio> bio(BIO_new(BIO_s_mem()));
  must(write(bio.get()) == 1, "PEM");
  char* data = nullptr;
  auto length = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(length)};
}

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  must(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1, value.c_str());
  X509_EXTENSION_free(extension);
}

Certificate blank(EVP_PKEY* key, const char* name) {
  static long serial = 0;
  Certificate made(X509_new());
  X509* certificate = made.get();
  must(X509_set_version(certificate, X509_VERSION_3) == 1, "version");
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "O", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  must(X509_set_pubkey(certificate, key) == 1, "public key");
  return made;
}

}  // namespace

Authority::Authority() : Authority(nullptr) {}

Authority::Authority(const Authority& issuer) : Authority(&issuer) {}

Authority::Authority(const Authority* issuer) : key_(EVP_EC_gen("P-256")) {
  must(key_ != nullptr, "key");
  root_ = blank(key_.get(), issuer == nullptr ? "culvert test root" : "culvert test intermediate");
  X509* signer = issuer == nullptr ? root_.get() : issuer->root_.get();
  X509_set_issuer_name(root_.get(), X509_get_subject_name(signer));
  add_extension(root_.get(), signer, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(root_.get(), signer, NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(root_.get(), signer, NID_subject_key_identifier, "hash");
  EVP_PKEY* key = issuer == nullptr ? key_.get() : issuer->key_.get();
  must(X509_sign(root_.get(), key, EVP_sha256()) > 0, "signature");
}

Leaf Authority::leaf(const std::vector<std::string>& uris, const std::string& usages) const {
  Key key(EVP_EC_gen("P-256"));
  Certificate leaf = blank(key.get(), "");
  X509_set_issuer_name(leaf.get(), X509_get_subject_name(root_.get()));
  add_extension(leaf.get(), root_.get(), NID_key_usage, "critical,digitalSignature");
  add_extension(leaf.get(), root_.get(), NID_ext_key_usage, usages);
  std::string names;
  for (const auto& uri : uris) names += (names.empty() ? "URI:" : ",URI:") + uri;
  if (!names.empty()) add_extension(leaf.get(), root_.get(), NID_subject_alt_name, names);
  must(X509_sign(leaf.get(), key_.get(), EVP_sha256()) > 0, "signature");
  return {to_pem([&](BIO* bio) { return PEM_write_bio_X509(bio, leaf.get()); }), to_pem([&](BIO* bio) {
            return PEM_write_bio_PKCS8PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

std::shared_ptr<const TlsCredential> Authority::issue(const std::vector<std::string>& uris) const {
  Leaf made = leaf(uris);
  return credential(made.certificate, made.key, pem());
}

std::string Authority::revoke(const std::vector<std::string>& certificates) const {
  std::unique_ptr<X509_CRL, decltype(&X509_CRL_free)> list(X509_CRL_new(), X509_CRL_free);
  std::unique_ptr<ASN1_TIME, decltype(&ASN1_TIME_free)> at(X509_gmtime_adj(nullptr, 0), ASN1_TIME_free);
  X509_CRL_set_version(list.get(), X509_CRL_VERSION_2);
  X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(root_.get()));
  X509_CRL_set1_lastUpdate(list.get(), at.get());
  for (const auto& pem : certificates) {
    X509_REVOKED* entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(parse_pem(pem).get()));
    X509_REVOKED_set_revocationDate(entry, at.get());
    must(X509_CRL_add0_revoked(list.get(), entry) == 1, "revocation");
  }
  must(X509_CRL_sign(list.get(), key_.get(), EVP_sha256()) > 0, "signature");
  unsigned char* der = nullptr;
  int size = i2d_X509_CRL(list.get(), &der);
  must(size > 0, "revocation list");
  std::string bytes(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return bytes;
}

std::string Authority::pem() const {
  return to_pem([&](BIO* bio) { return PEM_write_bio_X509(bio, root_.get()); });
}

std::shared_ptr<const TlsCredential> credential(const std::string& chain, const std::string& key,
                                                const std::string& roots) {
  return std::make_shared<const TlsCredential>(chain, key, roots, "mesh.test", TlsProfile{});
}

Certificate parse_pem(const std::string& pem) {
  std::unique_ptr<BIO, FreeBio> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  must(certificate != nullptr, "no certificate");
  return certificate;
}

const Authority& authority() {
  static const Authority made;
  return made;
}

std::shared_ptr<const TlsCredential> cart() {
  static const auto made = authority().issue({kCart});
  return made;
}

std::shared_ptr<const TlsCredential> stock() {
  static const auto made = authority().issue({kStock});
  return made;
}

}  // namespace culvert::test
