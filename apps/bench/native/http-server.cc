// http-server PORT: answers every HTTP/1.1 request with the same 256 bytes, on one epoll thread, as cheaply as the
// kernel allows: it must cost next to nothing beside the proxies. GET only: no bodies.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>

namespace {

constexpr std::string_view endOfRequest = "\r\n\r\n";
constexpr std::size_t longestRequest = 16 * 1024;

std::string answer(bool keep) {
  const std::string body(256, 'x');
  return "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(body.size()) +
         (keep ? "\r\n\r\n" : "\r\nConnection: close\r\n\r\n") + body;
}

const std::string keepAnswer = answer(true);
const std::string closeAnswer = answer(false);

int fail(const char *what) {
  std::fprintf(stderr, "http-server: %s: %s\n", what, std::strerror(errno));
  return 1;
}

/** False: the connection is to be closed. `rest` is what of a request has come before. */
bool serve(int fd, std::string &rest) {
  char buffer[16 * 1024];
  for (;;) {
    const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) return false;
    rest.append(buffer, static_cast<std::size_t>(got));
    std::string out;
    bool keep = true;
    std::size_t from = 0;
    for (std::size_t end; keep && (end = rest.find(endOfRequest, from)) != std::string::npos;
         from = end + endOfRequest.size()) {
      keep = rest.find("Connection: close", from) >= end;
      out += keep ? keepAnswer : closeAnswer;
    }
    rest.erase(0, from);
    if (rest.size() > longestRequest) return false;
    // A client that does not read its answers is none of the benchmark's.
    const auto size = static_cast<ssize_t>(out.size());
    if (size > 0 && send(fd, out.data(), out.size(), MSG_NOSIGNAL) != size) return false;
    if (!keep) return false;
    if (static_cast<std::size_t>(got) < sizeof buffer) return true;
  }
}

} // namespace

int main(int argc, char **argv) {
  const int port = argc == 2 ? std::atoi(argv[1]) : 0;
  if (port <= 0 || port > 65535) {
    std::fprintf(stderr, "usage: http-server PORT\n");
    return 2;
  }
  signal(SIGTERM, [](int) { _exit(0); });
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener < 0) return fail("socket");
  const int one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); // accepted sockets inherit it
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  if (bind(listener, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0) return fail("bind");
  if (listen(listener, 4096) != 0) return fail("listen");
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  epoll_event wanted{};
  wanted.events = EPOLLIN;
  wanted.data.fd = listener;
  if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &wanted) != 0) return fail("epoll");

  std::unordered_map<int, std::string> connections;
  epoll_event events[512];
  for (;;) {
    const int count = epoll_wait(epoll, events, 512, -1);
    if (count < 0 && errno != EINTR) return fail("epoll_wait");
    for (int i = 0; i < count; i++) {
      const int fd = events[i].data.fd;
      if (fd != listener) {
        if (serve(fd, connections[fd])) continue;
        connections.erase(fd);
        close(fd);
        continue;
      }
      for (int accepted; (accepted = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        wanted.events = EPOLLIN;
        wanted.data.fd = accepted;
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, accepted, &wanted) != 0) return fail("epoll_ctl");
      }
    }
  }
}
