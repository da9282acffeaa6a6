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

Authority::Authority() : key_(EVP_EC_gen("P-256")) {
  must(key_ != nullptr, "key");
  root_ = blank(key_.get(), "culvert test root");
  X509_set_issuer_name(root_.get(), X509_get_subject_name(root_.get()));
  add_extension(root_.get(), root_.get(), NID_basic_constraints, "critical,CA:TRUE");
  add_extension(root_.get(), root_.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(root_.get(), root_.get(), NID_subject_key_identifier, "hash");
  must(X509_sign(root_.get(), key_.get(), EVP_sha256()) > 0, "signature");
}

std::shared_ptr<const TlsCredential> Authority::issue(const std::vector<std::string>& uris) const {
  Key key(EVP_EC_gen("P-256"));
  Certificate leaf = blank(key.get(), "");
  X509_set_issuer_name(leaf.get(), X509_get_subject_name(root_.get()));
  add_extension(leaf.get(), root_.get(), NID_key_usage, "critical,digitalSignature");
  add_extension(leaf.get(), root_.get(), NID_ext_key_usage, "serverAuth,clientAuth");
  std::string names;
  for (const auto& uri : uris) names += (names.empty() ? "URI:" : ",URI:") + uri;
  if (!names.empty()) add_extension(leaf.get(), root_.get(), NID_subject_alt_name, names);
  must(X509_sign(leaf.get(), key_.get(), EVP_sha256()) > 0, "signature");
  auto chain = to_pem([&](BIO* bio) { return PEM_write_bio_X509(bio, leaf.get()); });
  auto secret = to_pem([&](BIO* bio) {
    return PEM_write_bio_PKCS8PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
  return std::make_shared<const TlsCredential>(chain, secret, pem(), "mesh.test", TlsProfile{});
}

std::string Authority::pem() const {
  return to_pem([&](BIO* bio) { return PEM_write_bio_X509(bio, root_.get()); });
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
