#include <openssl/err.h>

#include "../src/engine/openssl-channel.h"
#include "certificates.h"
#include "check.h"

namespace culvert::test {

namespace {

struct Client {
  explicit Client(const std::string& alpn) : context(SSL_CTX_new(TLS_client_method())), ssl(SSL_new(context)) {
    SSL_use_certificate(ssl, SSL_CTX_get0_certificate(cart()->client()));
    SSL_use_PrivateKey(ssl, SSL_CTX_get0_privatekey(cart()->client()));
    SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(alpn.data()), static_cast<unsigned>(alpn.size()));
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl);
  }
  ~Client() {
    SSL_free(ssl);
    SSL_CTX_free(context);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  std::vector<uint8_t> output() {
    char* data = nullptr;
    auto size = BIO_get_mem_data(SSL_get_wbio(ssl), &data);
    std::vector<uint8_t> bytes(data, data + size);
    BIO_reset(SSL_get_wbio(ssl));
    return bytes;
  }

  SSL_CTX* context;
  SSL* ssl;
};

// What a server of ours makes of a client that offers these protocols.
OpensslChannel::Handshake answer(const std::string& alpn, std::string& reason) {
  Client client(alpn);
  OpensslChannel server(*stock(), {false, {}, "mesh.test"});
  ERR_clear_error();
  SSL_do_handshake(client.ssl);
  auto hello = client.output();
  server.feed(hello);
  auto result = server.handshake();
  reason = server.reason();
  ERR_clear_error();
  return result;
}

}  // namespace

TEST("tls: a server takes h2 alone") {
  std::string reason;
  CHECK(answer("\x02h2", reason) == OpensslChannel::Handshake::unfinished);
  CHECK(answer("\x08http/1.1\x02h2", reason) == OpensslChannel::Handshake::unfinished);
  CHECK(answer("\x08http/1.1", reason) == OpensslChannel::Handshake::failed);
  CHECK_EQUAL(reason, "no application protocol");
  CHECK(answer("\x02h3\x01h", reason) == OpensslChannel::Handshake::failed);
}

TEST("tls: what is no certificate, key or root") {
  auto message = [](const std::string& chain, const std::string& key, const std::string& roots) -> std::string {
    try {
      TlsCredential(chain, key, roots, {}, {});
      return "";
    } catch (const std::runtime_error& error) {
      return error.what();
    }
  };
  std::string good = authority().pem();
  CHECK(message("", "", "").starts_with("the certificate chain: "));
  CHECK(message("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "", "").starts_with("the certificate chain: "));
  CHECK(message(good, "", good).starts_with("the private key: "));
  CHECK(message(good, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", good).starts_with("the private key: "));
}

}  // namespace culvert::test
