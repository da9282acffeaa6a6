#include "openssl-channel.h"

#include <openssl/err.h>

#include <algorithm>
#include <charconv>
#include <new>
#include <string_view>
#include <utility>

#include "peer-verification.h"
#include "tls-alert.h"

namespace culvert {

namespace {

std::string error_reason(unsigned long error) {
  if (ERR_GET_LIB(error) == ERR_LIB_SSL) {
    // The peer's alerts have a range of their own; other reasons are below it, or have flags far above.
    if (int alert = ERR_GET_REASON(error) - SSL_AD_REASON_OFFSET; alert > 0 && alert <= UINT8_MAX) {
      return alert_reason(static_cast<uint8_t>(alert));
    }
    switch (ERR_GET_REASON(error)) {
      case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return "peer sent no certificates";
      case SSL_R_UNSUPPORTED_PROTOCOL: return "peer is incompatible: SupportedVersionsExtensionRequired";
      case SSL_R_NO_SHARED_CIPHER: return "peer is incompatible: NoCipherSuitesInCommon";
    }
  }
  const char* reason = ERR_reason_error_string(error);
  return reason == nullptr ? "tls failure without a reason" : reason;
}

}  // namespace

// The channel's two ends towards OpenSSL. Neither ever blocks for long: input is what was fed, output grows, and
// whoever writes looks at its size.
struct OpensslChannel::Bio {
  static int write(BIO* bio, const char* data, int size) {
    auto* channel = static_cast<OpensslChannel*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    channel->sealed_.append({reinterpret_cast<const uint8_t*>(data), static_cast<size_t>(size)});
    return size;
  }

  static int read(BIO* bio, char* data, int size) {
    auto* channel = static_cast<OpensslChannel*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    if (channel->in_.empty()) {
      BIO_set_retry_read(bio);
      return -1;
    }
    size_t count = std::min(channel->in_.size(), static_cast<size_t>(size));
    std::memcpy(data, channel->in_.data(), count);
    channel->in_ = channel->in_.subspan(count);
    return static_cast<int>(count);
  }

  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static int create(BIO* bio) {
    BIO_set_init(bio, 1);
    return 1;
  }

  static BIO_METHOD* method() {
    static BIO_METHOD* const method = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "culvert");
      BIO_meth_set_write(made, write);
      BIO_meth_set_read(made, read);
      BIO_meth_set_ctrl(made, control);
      BIO_meth_set_create(made, create);
      return made;
    }();
    return method;
  }
};

OpensslChannel::OpensslChannel(const TlsCredential& credential, PeerRule rule)
    : ssl_(SSL_new(rule.peer_is_server ? credential.client() : credential.server())),
      known_(rule.peer_is_server ? credential.known_servers() : credential.known_clients()), rule_(std::move(rule)) {
  BIO* bio = BIO_new(Bio::method());
  if (ssl_ == nullptr || bio == nullptr) throw std::bad_alloc();
  BIO_set_data(bio, this);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_app_data(ssl_, this);
  if (rule_.peer_is_server) SSL_set_connect_state(ssl_);
  else SSL_set_accept_state(ssl_);
}

OpensslChannel::~OpensslChannel() { SSL_free(ssl_); }

int OpensslChannel::verify_peer(X509_STORE_CTX* context, void*) {
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* channel = static_cast<OpensslChannel*>(SSL_get_app_data(ssl));
  PeerVerdict verdict = culvert::verify_peer(context, channel->rule_, channel->known_);
  channel->reason_ = std::move(verdict.reason);
  channel->peer_identity_ = std::move(verdict.identity);
  X509_STORE_CTX_set_error(context, verdict.error);
  return verdict.error == X509_V_OK ? 1 : 0;
}

// A line of NSS's key log: a label, the client's random, the secret, in hexadecimal.
void OpensslChannel::note_secret(const SSL* ssl, const char* line) {
  auto* channel = static_cast<OpensslChannel*>(SSL_get_app_data(ssl));
  std::string_view text = line;
  bool client = text.starts_with("CLIENT_TRAFFIC_SECRET_0 ");
  if (!client && !text.starts_with("SERVER_TRAFFIC_SECRET_0 ")) return;
  std::string_view digits = text.substr(text.rfind(' ') + 1);
  uint8_t bytes[EVP_MAX_MD_SIZE];
  size_t size = std::min(digits.size() / 2, sizeof bytes);
  for (size_t i = 0; i < size; i++) std::from_chars(&digits[i * 2], &digits[i * 2] + 2, bytes[i], 16);
  (client ? channel->client_secret_ : channel->server_secret_) = TrafficSecret({bytes, size});
  OPENSSL_cleanse(bytes, sizeof bytes);
}

std::optional<OpensslChannel::Secrets> OpensslChannel::secrets() const {
  if (SSL_version(ssl_) != TLS1_3_VERSION || !SSL_is_init_finished(ssl_) || SSL_has_pending(ssl_) != 0) return {};
  if (client_secret_.empty() || server_secret_.empty()) return {};
  // The peer takes only records smaller than ours are (RFC 6066 4); few ask for that.
  uint8_t fragment = SSL_SESSION_get_max_fragment_length(SSL_get0_session(ssl_));
  if (fragment >= TLSEXT_max_fragment_length_512 && fragment <= TLSEXT_max_fragment_length_4096) return {};
  bool client = rule_.peer_is_server;
  return Secrets{client, SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl_)),
                 client ? server_secret_ : client_secret_, client ? client_secret_ : server_secret_};
}

OpensslChannel::Handshake OpensslChannel::handshake() {
  ERR_clear_error();
  int result = SSL_do_handshake(ssl_);
  if (result == 1) return Handshake::done;
  if (SSL_get_error(ssl_, result) == SSL_ERROR_WANT_READ) return Handshake::unfinished;
  note_failure();
  return Handshake::failed;
}

TlsChannel::Plaintext OpensslChannel::read(Room scratch) {
  ERR_clear_error();
  size_t count = 0;
  int result = SSL_read_ex(ssl_, scratch.data(), scratch.size(), &count);
  if (result == 1) return {Got::data, scratch.first(count)};
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ: return {Got::nothing, {}};
    case SSL_ERROR_ZERO_RETURN: return {Got::closed, {}};
    default: note_failure(); return {Got::failed, {}};
  }
}

void OpensslChannel::commit(size_t count) {
  open_.commit(count);
  if (open_.empty()) open_.clear();
}

bool OpensslChannel::seal() {
  ERR_clear_error();
  for (Bytes left = open_.bytes(); !left.empty();) {
    size_t count = 0;
    if (SSL_write_ex(ssl_, left.data(), left.size(), &count) != 1) {
      note_failure();
      return false;
    }
    left = left.subspan(count);
  }
  open_.clear();
  return true;
}

void OpensslChannel::close() {
  ERR_clear_error();
  if (SSL_is_init_finished(ssl_)) SSL_shutdown(ssl_);
}

void OpensslChannel::note_failure() {
  unsigned long error = ERR_get_error();
  if (reason_.empty()) reason_ = error_reason(error);
  ERR_clear_error();
}

}  // namespace culvert
