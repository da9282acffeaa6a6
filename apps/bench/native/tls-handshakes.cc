// tls-handshakes IP PORT CONNECTIONS SECONDS ROOTS CERTIFICATE KEY
// Opens mutual TLS 1.3 connections, so many at a time, and writes how many were made as one line of JSON. With TLS 1.3
// a client is done before the server has verified its certificate. One counts therefore only when the server's first
// HTTP/2 frame, SETTINGS, has come, which no server sends earlier than that. Then it is closed.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct FreeSsl {
  void operator()(SSL *ssl) const { SSL_free(ssl); }
};

struct Connection {
  int fd = -1;
  std::unique_ptr<SSL, FreeSsl> ssl;
  bool connected = false;
  bool shaken = false;
  std::string received;
  Clock::time_point started;
};

// Connection preface and an empty SETTINGS frame (RFC 9113, 3.4).
constexpr char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
constexpr std::size_t prefaceSize = sizeof preface; // with the terminating zero, the last byte of the frame header
constexpr std::size_t frameHeader = 9;
constexpr unsigned char settingsFrame = 4;

struct Load {
  sockaddr_in target{};
  SSL_CTX *context = nullptr;
  int epoll = -1;
  std::vector<Connection> connections;
  std::vector<long> micros;
  std::string failure;
};

[[noreturn]] void die(const std::string &what) {
  std::fprintf(stderr, "tls-handshakes: %s\n", what.c_str());
  std::exit(1);
}

std::string tlsError() {
  char text[256] = "no detail";
  if (const unsigned long code = ERR_get_error()) ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  return text;
}

void start(Load &load, std::size_t index) {
  Connection &one = load.connections[index];
  one = Connection{};
  one.started = Clock::now();
  one.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (one.fd < 0) die(std::string("socket: ") + std::strerror(errno));
  const int on = 1;
  setsockopt(one.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(one.fd, reinterpret_cast<sockaddr *>(&load.target), sizeof load.target) != 0 && errno != EINPROGRESS) {
    die(std::string("connect: ") + std::strerror(errno));
  }
  one.ssl.reset(SSL_new(load.context));
  SSL_set_fd(one.ssl.get(), one.fd);
  SSL_set_connect_state(one.ssl.get());
  epoll_event wanted{};
  wanted.events = EPOLLIN | EPOLLOUT | EPOLLET;
  wanted.data.u64 = index;
  if (epoll_ctl(load.epoll, EPOLL_CTL_ADD, one.fd, &wanted) != 0) {
    die(std::string("epoll_ctl: ") + std::strerror(errno));
  }
}

/** True when the server has shown that it is done. A failure is written down. */
bool advance(Load &load, Connection &one) {
  if (!one.connected) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(one.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      load.failure = std::string("connect: ") + std::strerror(error);
      return false;
    }
    one.connected = true;
  }
  if (!one.shaken) {
    const int result = SSL_do_handshake(one.ssl.get());
    if (result != 1) {
      const int reason = SSL_get_error(one.ssl.get(), result);
      if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) load.failure = "handshake: " + tlsError();
      return false;
    }
    one.shaken = true;
    if (SSL_write(one.ssl.get(), preface, prefaceSize) != static_cast<int>(prefaceSize)) {
      load.failure = "preface: " + tlsError();
      return false;
    }
  }
  char buffer[4096];
  int got = 0;
  while ((got = SSL_read(one.ssl.get(), buffer, sizeof buffer)) > 0) {
    one.received.append(buffer, static_cast<std::size_t>(got));
    if (one.received.size() < frameHeader) continue;
    if (static_cast<unsigned char>(one.received[3]) == settingsFrame) return true;
    load.failure = "the server's first frame is none of SETTINGS";
    return false;
  }
  const int reason = SSL_get_error(one.ssl.get(), got);
  if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) {
    load.failure = "closed by the server before its SETTINGS: " + tlsError();
  }
  return false;
}

void finish(Connection &one) {
  SSL_shutdown(one.ssl.get()); // close_notify out; the answer is not waited for
  close(one.fd);
  one.ssl.reset();
}

long percentile(const std::vector<long> &sorted, double share) {
  return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

} // namespace

int main(int argc, char **argv) {
  if (argc != 8) {
    std::fprintf(stderr, "usage: tls-handshakes IP PORT CONNECTIONS SECONDS ROOTS CERTIFICATE KEY\n");
    return 2;
  }
  Load load;
  load.target.sin_family = AF_INET;
  load.target.sin_port = htons(static_cast<uint16_t>(std::atoi(argv[2])));
  if (inet_pton(AF_INET, argv[1], &load.target.sin_addr) != 1) die(std::string("no IPv4 address: ") + argv[1]);
  load.connections.resize(static_cast<std::size_t>(std::max(1, std::atoi(argv[3]))));
  load.context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(load.context, TLS1_3_VERSION);
  SSL_CTX_set_session_cache_mode(load.context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_verify(load.context, SSL_VERIFY_PEER, nullptr);
  const unsigned char protocols[] = "\2h2";
  SSL_CTX_set_alpn_protos(load.context, protocols, 3);
  if (SSL_CTX_load_verify_locations(load.context, argv[5], nullptr) != 1) die("roots: " + tlsError());
  if (SSL_CTX_use_certificate_chain_file(load.context, argv[6]) != 1) die("certificate: " + tlsError());
  if (SSL_CTX_use_PrivateKey_file(load.context, argv[7], SSL_FILETYPE_PEM) != 1) die("key: " + tlsError());
  load.epoll = epoll_create1(EPOLL_CLOEXEC);

  const auto begin = Clock::now();
  const auto end = begin + std::chrono::seconds(std::max(1, std::atoi(argv[4])));
  for (std::size_t i = 0; i < load.connections.size(); i++) start(load, i);
  epoll_event events[64];
  while (Clock::now() < end && load.failure.empty()) {
    const int count = epoll_wait(load.epoll, events, 64, 100);
    for (int i = 0; i < count && load.failure.empty(); i++) {
      Connection &one = load.connections[events[i].data.u64];
      if (!advance(load, one)) continue;
      const auto took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - one.started);
      load.micros.push_back(took.count());
      finish(one);
      start(load, events[i].data.u64);
    }
  }
  if (!load.failure.empty()) die(load.failure);
  if (load.micros.empty()) die("not one handshake was made");
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin);
  std::sort(load.micros.begin(), load.micros.end());
  std::printf("{\"handshakes\":%zu,\"microseconds\":%ld,\"p50\":%ld,\"p99\":%ld}\n", load.micros.size(),
              static_cast<long>(took.count()), percentile(load.micros, 0.5), percentile(load.micros, 0.99));
}
