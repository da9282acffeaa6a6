#include "sockets.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string_view>

// The kernel's headers redefine what the C library's have unless these come first.
#include <linux/in6.h>
#include <linux/netfilter_ipv4.h>

namespace culvert {

namespace {

constexpr int kBacklog = 128;
#ifndef IP_BIND_ADDRESS_NO_PORT
constexpr int IP_BIND_ADDRESS_NO_PORT = 24;
#endif

bool set(int fd, int level, int name, int value) { return setsockopt(fd, level, name, &value, sizeof value) == 0; }

// A socket belongs to the namespace it was made in for good: only this call needs the visit.
int make_socket(int netns, int family) {
  constexpr int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  if (netns < 0) return socket(family, type, 0);
  // Opened once by each thread: that took as long as the visit itself.
  static thread_local OwnedFd home;
  if (home.get() < 0) home = OwnedFd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (home.get() < 0 || setns(netns, CLONE_NEWNET) != 0) return -1;
  int fd = socket(family, type, 0);
  int error = errno;
  if (setns(home.get(), CLONE_NEWNET) != 0) {
    perror("culvert: the thread cannot return to its own network namespace, setns");
    abort();
  }
  errno = error;
  return fd;
}

int seconds(int milliseconds) { return (milliseconds + 999) / 1000; }

// Failures are ignored: a connection without these options still works.
void set_keepalive(int fd, const SocketSettings& settings) {
  if (!settings.keepalive) return;
  auto [idle, interval, retries] = *settings.keepalive;
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(fd, SOL_TCP, TCP_KEEPIDLE, seconds(idle));
  set(fd, SOL_TCP, TCP_KEEPINTVL, seconds(interval));
  set(fd, SOL_TCP, TCP_KEEPCNT, retries);
  if (settings.user_timeout) set(fd, SOL_TCP, TCP_USER_TIMEOUT, idle + retries * interval);
}

bool choose_address(int fd, const std::string& ip) {
  sockaddr_storage address;
  socklen_t length = socket_address({ip, 0}, address);
  if (length == 0) errno = EINVAL;
  return length > 0 && bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0;
}

void refuse_source(const ForeignSource& source, std::optional<std::string>& warning) {
  warning = "take source address '" + source.ip + "': " + os_error(errno);
}

void take_source(int fd, int family, const ForeignSource& source, std::optional<std::string>& warning) {
  if (family == AF_INET) {
    set(fd, SOL_IP, IP_TRANSPARENT, 1);
    set(fd, SOL_IP, IP_FREEBIND, 1);
  } else {
    set(fd, SOL_IPV6, IPV6_TRANSPARENT, 1);
    set(fd, SOL_IPV6, IPV6_FREEBIND, 1);
  }
  if (source.own_port) {
    if (choose_address(fd, source.ip)) return;
    // With ports left (bind(2)) there is another reason, and it stays.
    if (errno != EADDRINUSE) return refuse_source(source, warning);
  }
  // The port is chosen with the destination known: many connections may share one.
  set(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  if (!choose_address(fd, source.ip)) refuse_source(source, warning);
}

// A connection within the node loses nothing, so pacing only holds it back: bbr carried half of what reno and cubic did.
// Where the kernel's choice paces, one of these takes its place. Refused (a namespace may have no other): stays as it is.
void set_congestion_control(int fd, const SocketSettings& settings, Leg leg) {
  auto choose = [fd](std::string_view name) {
    return setsockopt(fd, SOL_TCP, TCP_CONGESTION, name.data(), static_cast<socklen_t>(name.size())) == 0;
  };
  if (leg == Leg::tunnel && !settings.tunnel_congestion_control.empty()) choose(settings.tunnel_congestion_control);
  if (leg != Leg::local) return;
  char current[16] = {};
  socklen_t length = sizeof current - 1;
  if (getsockopt(fd, SOL_TCP, TCP_CONGESTION, current, &length) != 0) return;
  if (std::string_view(current).starts_with("bbr") && !choose("cubic")) choose("reno");
}

Leg leg_of(ListenerRole role) {
  switch (role) {
    case ListenerRole::inbound_hbone: return Leg::tunnel;
    case ListenerRole::outbound:
    case ListenerRole::socks5: return Leg::local;
    case ListenerRole::inbound_plaintext: return Leg::open;
  }
  return Leg::open;
}

void set_mark(int fd, uint32_t mark) {
  if (mark == 0) return;
  if (!set(fd, SOL_SOCKET, SO_MARK, static_cast<int>(mark))) throw SocketError{errno};
}

}  // namespace

OwnedFd::~OwnedFd() {
  if (fd_ >= 0) close(fd_);
}

OwnedFd& OwnedFd::operator=(OwnedFd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    fd_ = other.release();
  }
  return *this;
}

int OwnedFd::release() {
  int fd = fd_;
  fd_ = -1;
  return fd;
}

const char* name(ListenerRole role) {
  switch (role) {
    case ListenerRole::outbound: return "outbound";
    case ListenerRole::inbound_plaintext: return "inbound-plaintext";
    case ListenerRole::inbound_hbone: return "inbound-hbone";
    case ListenerRole::socks5: return "socks5";
  }
  return "";
}

BoundListener bind_listener(int netns, const SocketSettings& settings, const ListenerAddress& wanted,
                            std::optional<std::string>& warning) {
  sockaddr_storage address;
  socklen_t length = socket_address(wanted.at, address);
  if (length == 0) throw SocketError{EINVAL};
  OwnedFd fd(make_socket(netns, address.ss_family));
  if (fd.get() < 0) throw SocketError{errno};
  set_mark(fd.get(), settings.listener_mark);
  if (settings.reuse_port) {
    if (!set(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1)) warning = "set SO_REUSEPORT: " + os_error(errno);
  } else {
    set(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  }
  bool transparent = false;
  if (settings.original_source != OriginalSource::never) {
    // Level SOL_IP also on IPv6 sockets: a dual-stack listener must answer for IPv4 addresses as well.
    transparent = set(fd.get(), SOL_IP, IP_TRANSPARENT, 1);
    if (!transparent && settings.original_source == OriginalSource::require) throw SocketError{errno};
  }
  // Accepted sockets inherit these, and the congestion control. The peer of a tunnel is watched by PINGs instead, and a
  // SOCKS5 client is on this machine (zds 4.3).
  bool captured = wanted.role == ListenerRole::outbound || wanted.role == ListenerRole::inbound_plaintext;
  if (captured) set_keepalive(fd.get(), settings);
  set_congestion_control(fd.get(), settings, leg_of(wanted.role));
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) throw SocketError{errno};
  if (listen(fd.get(), kBacklog) != 0) throw SocketError{errno};
  Endpoint bound = local_endpoint(fd.get());
  return {std::make_shared<const OwnedFd>(std::move(fd)), wanted.role, bound, transparent};
}

OwnedFd start_connect(int netns, const SocketSettings& settings, Leg leg, const Endpoint& to,
                      const ForeignSource& source, std::optional<std::string>& warning) {
  sockaddr_storage address;
  socklen_t length = socket_address(to, address);
  if (length == 0) throw SocketError{EINVAL};
  OwnedFd fd(make_socket(netns, address.ss_family));
  if (fd.get() < 0) throw SocketError{errno};
  set_mark(fd.get(), settings.mark);
  set_no_delay(fd.get());
  set_keepalive(fd.get(), settings);
  set_congestion_control(fd.get(), settings, leg);
  if (!source.ip.empty()) take_source(fd.get(), address.ss_family, source, warning);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 && errno != EINPROGRESS) {
    throw SocketError{errno};
  }
  return fd;
}

int connect_result(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

Endpoint local_endpoint(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  return endpoint_of(address);
}

Endpoint original_destination(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (getsockopt(fd, SOL_IP, SO_ORIGINAL_DST, &address, &length) == 0) return endpoint_of(address);
  length = sizeof address;
  if (getsockopt(fd, SOL_IPV6, SO_ORIGINAL_DST, &address, &length) == 0) return endpoint_of(address);
  return local_endpoint(fd);
}

void set_no_delay(int fd) { set(fd, SOL_TCP, TCP_NODELAY, 1); }

void stop_listening(int fd) { shutdown(fd, SHUT_RD); }

}  // namespace culvert
