#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/x509_vfy.h>

#include "../src/engine/openssl-channel.h"
#include "certificates.h"
#include "check.h"

// A chain that was found good once must be judged the second time as if it were the first.
namespace culvert::test {

namespace {

using Credential = std::shared_ptr<const TlsCredential>;
constexpr time_t kHour = 3600;

std::vector<uint8_t> take(OpensslChannel& from) {
  Bytes sealed = from.sealed();
  std::vector<uint8_t> bytes(sealed.begin(), sealed.end());
  from.sent(bytes.size());
  return bytes;
}

// What a server says of a client: its identity, or why it is refused.
struct Server {
  Credential credential = stock();
  std::optional<std::string> trust_domain = "mesh.test";
  std::shared_ptr<const Revocations> revocations = nullptr;
  CertificatePath path = nullptr;

  std::string meet(const Credential& client, const std::string& expected = kStock, std::string* of_client = nullptr) {
    OpensslChannel server(*credential, {false, {}, trust_domain, &revocations, &path});
    OpensslChannel peer(*client, {true, {expected}, {}, nullptr, nullptr});
    std::vector<uint8_t> bytes;
    auto done = OpensslChannel::Handshake::unfinished, theirs = done;
    for (int flights = 0; flights < 3 && done == OpensslChannel::Handshake::unfinished; flights++) {
      peer.feed(bytes);
      if (theirs == OpensslChannel::Handshake::unfinished) theirs = peer.handshake();
      bytes = take(peer);
      if (bytes.empty()) break;
      server.feed(bytes);
      done = server.handshake();
      bytes = take(server);
    }
    if (of_client != nullptr) {
      *of_client = theirs == OpensslChannel::Handshake::failed ? peer.reason() : peer.peer_identity();
    }
    return done == OpensslChannel::Handshake::done ? server.peer_identity() : server.reason();
  }

  size_t known() const { return credential->known_clients().size(); }
};

Server fresh_server(const std::string& roots = authority().pem()) {
  Leaf leaf = authority().leaf({kStock});
  return {credential(leaf.certificate, leaf.key, roots)};
}

// What the server takes for the time, in seconds from now.
void set_time(const Server& server, time_t ahead) {
  X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(server.credential->server()), time(nullptr) + ahead);
}

VerifiedChains::Key key_number(size_t number) {
  VerifiedChains::Key key{};
  for (size_t i = 0; i < 4; i++) key[i] = static_cast<uint8_t>(number >> (8 * i));
  return key;
}

std::shared_ptr<const VerifiedChains::Chain> chain_between(time_t from, time_t to) {
  return std::make_shared<VerifiedChains::Chain>(VerifiedChains::Chain{{}, nullptr, from, to});
}

// A key whose public half is the certificate's and whose private half is not.
Key impostor(const std::string& certificate) {
  Key other(EVP_EC_gen("P-256"));
  BIGNUM* secret = nullptr;
  CHECK_EQUAL(EVP_PKEY_get_bn_param(other.get(), OSSL_PKEY_PARAM_PRIV_KEY, &secret), 1);
  unsigned char point[65];
  size_t size = 0;
  Certificate leaf = parse_pem(certificate);
  CHECK_EQUAL(EVP_PKEY_get_octet_string_param(X509_get0_pubkey(leaf.get()), OSSL_PKEY_PARAM_PUB_KEY, point,
                                              sizeof point, &size), 1);
  OSSL_PARAM_BLD* build = OSSL_PARAM_BLD_new();
  OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
  OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, size);
  OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, secret);
  OSSL_PARAM* parameters = OSSL_PARAM_BLD_to_param(build);
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr);
  EVP_PKEY* made = nullptr;
  EVP_PKEY_fromdata_init(context);
  EVP_PKEY_fromdata(context, &made, EVP_PKEY_KEYPAIR, parameters);
  EVP_PKEY_CTX_free(context);
  OSSL_PARAM_free(parameters);
  OSSL_PARAM_BLD_free(build);
  BN_clear_free(secret);
  CHECK(made != nullptr);
  return Key(made);
}

}  // namespace

TEST("verified chains: what is good is kept, for both roles") {
  Server server = fresh_server();
  Credential client = authority().issue({kCart});
  std::string of_client;
  for (int i = 0; i < 3; i++) {
    CHECK_EQUAL(server.meet(client, kStock, &of_client), kCart);
    CHECK_EQUAL(of_client, kStock);
    CHECK_EQUAL(server.known(), 1u);
    CHECK_EQUAL(client->known_servers().size(), 1u);
  }
  CHECK_EQUAL(server.meet(authority().issue({kCart})), kCart);
  CHECK_EQUAL(server.known(), 2u);
}

TEST("verified chains: what has expired or is not valid yet by now") {
  Server server = fresh_server();
  Credential client = authority().issue({kCart});
  CHECK_EQUAL(server.meet(client), kCart);
  set_time(server, kHour + 2);
  CHECK_EQUAL(server.meet(client), "invalid peer certificate: Expired");
  CHECK_EQUAL(server.known(), 0u);
  set_time(server, 0);
  CHECK_EQUAL(server.meet(client), kCart);
  set_time(server, -kHour - 60);
  CHECK_EQUAL(server.meet(client), "invalid peer certificate: NotValidYet");
  set_time(server, 0);
  CHECK_EQUAL(server.meet(client), kCart);
}

TEST("verified chains: the first and the last moment") {
  Certificate leaf = parse_pem(authority().leaf({kCart}).certificate), root = parse_pem(authority().pem());
  STACK_OF(X509)* path = sk_X509_new_null();
  sk_X509_push(path, leaf.get());
  sk_X509_push(path, root.get());
  auto chain = VerifiedChains::describe(path, false);
  sk_X509_free(path);
  for (time_t at : {chain->not_before, chain->not_after - 1}) {
    CHECK(chain->valid(at));
    CHECK(X509_cmp_time(X509_get0_notBefore(leaf.get()), &at) < 0);
    CHECK(X509_cmp_time(X509_get0_notAfter(leaf.get()), &at) > 0);
  }
  CHECK(!chain->valid(chain->not_before - 1));
  CHECK(!chain->valid(chain->not_after));
  // An intermediate that ends before its leaf ends the chain.
  X509_gmtime_adj(X509_getm_notAfter(root.get()), 60);
  path = sk_X509_new_null();
  for (X509* certificate : {leaf.get(), root.get(), root.get()}) sk_X509_push(path, certificate);
  auto shorter = VerifiedChains::describe(path, false);
  sk_X509_free(path);
  CHECK(shorter->not_after < chain->not_after);
}

TEST("verified chains: what is revoked meanwhile, by the lists of now") {
  Server server = fresh_server();
  Leaf leaf = authority().leaf({kCart});
  Credential client = credential(leaf.certificate, leaf.key, authority().pem());
  // Nobody looks: no path is kept.
  CHECK_EQUAL(server.meet(client), kCart);
  CHECK(server.path == nullptr);
  auto lists = [](const std::vector<std::string>& ders) { return std::make_shared<const Revocations>(ders); };
  server.revocations = lists({authority().revoke({leaf.certificate})});
  CHECK_EQUAL(server.meet(client), "invalid peer certificate: Revoked");
  CHECK_EQUAL(sk_X509_num(server.path.get()), 2);
  server.path = nullptr;
  server.revocations = lists({authority().revoke({})});
  CHECK_EQUAL(server.meet(client), kCart);
  CHECK_EQUAL(sk_X509_num(server.path.get()), 2);
  server.path = nullptr;
  server.revocations = lists({authority().revoke({leaf.certificate})});
  CHECK_EQUAL(server.meet(client), "invalid peer certificate: Revoked");
  CHECK_EQUAL(sk_X509_num(server.path.get()), 2);
  CHECK_EQUAL(server.meet(authority().issue({kCart})), kCart);
}

TEST("verified chains: an intermediate that is revoked meanwhile") {
  Authority intermediate(authority());
  Leaf leaf = intermediate.leaf({kCart});
  Credential client = credential(leaf.certificate + intermediate.pem(), leaf.key, authority().pem());
  Server server = fresh_server();
  server.revocations = std::make_shared<const Revocations>(std::vector<std::string>{authority().revoke({})});
  CHECK_EQUAL(server.meet(client), kCart);
  server.revocations =
      std::make_shared<const Revocations>(std::vector<std::string>{authority().revoke({intermediate.pem()})});
  CHECK_EQUAL(server.meet(client), "invalid peer certificate: Revoked");
}

TEST("verified chains: other roots know nothing of them") {
  Server server = fresh_server();
  Leaf leaf = authority().leaf({kCart});
  // It trusts every root of this test, so that the server alone decides.
  Authority next;
  Credential client = credential(leaf.certificate, leaf.key, authority().pem() + next.pem());
  CHECK_EQUAL(server.meet(client), kCart);
  // Both roots have one name; the key tells.
  CHECK_EQUAL(fresh_server(next.pem()).meet(client), "invalid peer certificate: BadSignature");
  CHECK_EQUAL(fresh_server(next.pem() + authority().pem()).meet(client), kCart);
}

TEST("verified chains: whom a good chain names is asked every time") {
  Server server = fresh_server();
  Credential client = authority().issue({kCart});
  std::string of_client;
  CHECK_EQUAL(server.meet(client, kStock, &of_client), kCart);
  CHECK_EQUAL(of_client, kStock);
  server.trust_domain = "other.test";
  CHECK(server.meet(client).find("did not present the expected trustdomain (other.test)") != std::string::npos);
  server.trust_domain = "mesh.test";
  server.meet(client, "spiffe://mesh.test/ns/shop/sa/other", &of_client);
  CHECK(of_client.find("did not present the expected SAN (spiffe://mesh.test/ns/shop/sa/other)") != std::string::npos);
  CHECK_EQUAL(server.meet(client), kCart);
}

TEST("verified chains: the same leaf with other certificates behind it") {
  Authority intermediate(authority()), stranger;
  Leaf leaf = intermediate.leaf({kCart});
  auto with = [&](const std::string& behind) {
    return credential(leaf.certificate + behind, leaf.key, authority().pem());
  };
  Server server = fresh_server();
  CHECK_EQUAL(server.meet(with(intermediate.pem())), kCart);
  CHECK_EQUAL(server.meet(with("")), "invalid peer certificate: UnknownIssuer");
  CHECK_EQUAL(server.meet(with(stranger.pem())), "invalid peer certificate: UnknownIssuer");
  CHECK_EQUAL(server.meet(with(intermediate.pem())), kCart);
  CHECK_EQUAL(server.known(), 1u);
}

TEST("verified chains: only what is the path itself is kept") {
  Authority intermediate(authority()), stranger;
  Leaf leaf = intermediate.leaf({kCart});
  Server server = fresh_server();
  auto meet = [&](const std::string& behind) {
    return server.meet(credential(leaf.certificate + behind, leaf.key, authority().pem()));
  };
  std::string needed = intermediate.pem(), other = stranger.pem();
  for (const auto& behind : {needed + other, other + needed, needed + needed}) {
    CHECK_EQUAL(meet(behind), kCart);
    CHECK_EQUAL(server.known(), 0u);
  }
  CHECK_EQUAL(meet(needed), kCart);
  CHECK_EQUAL(meet(needed + authority().pem()), kCart);
  CHECK_EQUAL(server.known(), 2u);
}

TEST("verified chains: one role's are not the other's") {
  Leaf leaf = authority().leaf({kCart}, "clientAuth");
  Credential client = credential(leaf.certificate, leaf.key, authority().pem());
  Server server = fresh_server();
  CHECK_EQUAL(server.meet(client), kCart);
  // The one who has just taken it from a client meets it as a server.
  std::string of_client;
  Server{client}.meet(server.credential, kCart, &of_client);
  CHECK_EQUAL(of_client, "invalid peer certificate: InvalidPurpose");
}

TEST("verified chains: what is not good is never kept") {
  Authority stranger;
  Leaf strange = stranger.leaf({kCart}), server_only = authority().leaf({kCart}, "serverAuth");
  Server server = fresh_server();
  for (int i = 0; i < 2; i++) {
    CHECK_EQUAL(server.meet(credential(strange.certificate, strange.key, authority().pem())),
                "invalid peer certificate: BadSignature");
    CHECK_EQUAL(server.meet(credential(server_only.certificate, server_only.key, authority().pem())),
                "invalid peer certificate: InvalidPurpose");
    CHECK_EQUAL(server.known(), 0u);
  }
}

TEST("verified chains: who shows a good chain must still have its key") {
  Server server = fresh_server();
  Leaf leaf = authority().leaf({kCart});
  Credential client = credential(leaf.certificate, leaf.key, authority().pem());
  CHECK_EQUAL(server.meet(client), kCart);
  CHECK_EQUAL(SSL_CTX_use_PrivateKey(client->client(), impostor(leaf.certificate).get()), 1);
  CHECK_EQUAL(server.meet(client), "bad signature");
}

TEST("verified chains: a flood of good ones costs a bounded amount") {
  VerifiedChains chains;
  auto chain = chain_between(0, 10);
  for (size_t i = 0; i < 20 * VerifiedChains::kMost; i++) {
    chains.add(key_number(i), chain);
    CHECK(chains.size() <= 2 * VerifiedChains::kMost);
    // What is asked for stays.
    CHECK(chains.find(key_number(0), 5) != nullptr);
  }
  CHECK(chains.find(key_number(1), 5) == nullptr);
  CHECK(chains.find(key_number(20 * VerifiedChains::kMost - 1), 5) != nullptr);
  CHECK(chains.find(key_number(0), 10) == nullptr);
  CHECK(chains.find(key_number(0), 5) == nullptr);
}

}  // namespace culvert::test
