#include "sockets.h"

#include <arpa/inet.h>
#include <linux/in6.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "errors.h"
#include "namespaces.h"

namespace {

int number(const Napi::CallbackInfo& info, size_t index) { return info[index].As<Napi::Number>().Int32Value(); }

void check(const Napi::CallbackInfo& info, const char* syscall, int result) {
  if (result < 0) throw_errno(info.Env(), syscall, errno);
}

// A socket belongs to the namespace it was made in for good: only this call needs the visit.
Napi::Value make_socket(const Napi::CallbackInfo& info) {
  int netns = number(info, 0);
  int fd, error;
  {
    int family = number(info, 1), type = number(info, 2) | SOCK_NONBLOCK | SOCK_CLOEXEC;
    if (netns < 0) {
      fd = socket(family, type, 0);
      error = errno;
    } else {
      NamespaceVisit visit(info.Env(), netns);
      fd = socket(family, type, 0);
      error = errno;
    }
  }
  if (fd < 0) throw_errno(info.Env(), "socket", error);
  return Napi::Number::New(info.Env(), fd);
}

void set_option(const Napi::CallbackInfo& info) {
  int value = number(info, 3);
  check(info, "setsockopt", setsockopt(number(info, 0), number(info, 1), number(info, 2), &value, sizeof value));
}

Napi::Value get_option(const Napi::CallbackInfo& info) {
  int value = 0;
  socklen_t size = sizeof value;
  check(info, "getsockopt", getsockopt(number(info, 0), number(info, 1), number(info, 2), &value, &size));
  return Napi::Number::New(info.Env(), value);
}

// Asked once per captured connection, and a "no" is an ordinary answer: hence undefined, not an exception.
Napi::Value get_option_address(const Napi::CallbackInfo& info) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockopt(number(info, 0), number(info, 1), number(info, 2), &address, &size) != 0) {
    return info.Env().Undefined();
  }
  char text[INET6_ADDRSTRLEN];
  uint16_t port;
  if (address.ss_family == AF_INET) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    port = ntohs(v4->sin_port);
  } else if (address.ss_family == AF_INET6) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
    inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
    port = ntohs(v6->sin6_port);
  } else {
    return info.Env().Undefined();
  }
  Napi::Object result = Napi::Object::New(info.Env());
  result["ip"] = Napi::String::New(info.Env(), text);
  result["port"] = Napi::Number::New(info.Env(), port);
  return result;
}

void bind_inet(const Napi::CallbackInfo& info) {
  std::string ip = info[1].As<Napi::String>();
  uint16_t port = htons(static_cast<uint16_t>(number(info, 2)));
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  v4.sin_family = AF_INET;
  v4.sin_port = port;
  v6.sin6_family = AF_INET6;
  v6.sin6_port = port;
  int result;
  if (inet_pton(AF_INET, ip.c_str(), &v4.sin_addr) == 1) {
    result = bind(number(info, 0), reinterpret_cast<sockaddr*>(&v4), sizeof v4);
  } else if (inet_pton(AF_INET6, ip.c_str(), &v6.sin6_addr) == 1) {
    result = bind(number(info, 0), reinterpret_cast<sockaddr*>(&v6), sizeof v6);
  } else {
    throw_errno(info.Env(), "bind", EINVAL);
  }
  check(info, "bind", result);
}

void listen_on(const Napi::CallbackInfo& info) { check(info, "listen", listen(number(info, 0), number(info, 1))); }

sockaddr_un unix_address(const Napi::CallbackInfo& info, const char* syscall) {
  std::string path = info[1].As<Napi::String>();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // An embedded zero byte would silently cut the path, an empty path would mean an abstract socket.
  if (path.empty() || path.find('\0') != std::string::npos) throw_errno(info.Env(), syscall, EINVAL);
  if (path.size() >= sizeof address.sun_path) throw_errno(info.Env(), syscall, ENAMETOOLONG);
  memcpy(address.sun_path, path.data(), path.size());
  return address;
}

void bind_unix(const Napi::CallbackInfo& info) {
  sockaddr_un address = unix_address(info, "bind");
  check(info, "bind", bind(number(info, 0), reinterpret_cast<sockaddr*>(&address), sizeof address));
}

void connect_unix(const Napi::CallbackInfo& info) {
  sockaddr_un address = unix_address(info, "connect");
  check(info, "connect", connect(number(info, 0), reinterpret_cast<sockaddr*>(&address), sizeof address));
}

Napi::Value accept_one(const Napi::CallbackInfo& info) {
  int fd = accept4(number(info, 0), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  // Nobody there (any more), or a client that gave up while it waited: all the same to the caller.
  if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)) fd = -1;
  else check(info, "accept", fd);
  return Napi::Number::New(info.Env(), fd);
}

}  // namespace

void init_sockets(Napi::Env env, Napi::Object exports) {
  exports["socket"] = Napi::Function::New(env, make_socket);
  exports["setsockopt"] = Napi::Function::New(env, set_option);
  exports["getsockopt"] = Napi::Function::New(env, get_option);
  exports["getsockoptAddress"] = Napi::Function::New(env, get_option_address);
  exports["bindInet"] = Napi::Function::New(env, bind_inet);
  exports["listen"] = Napi::Function::New(env, listen_on);
  exports["bindUnix"] = Napi::Function::New(env, bind_unix);
  exports["connectUnix"] = Napi::Function::New(env, connect_unix);
  exports["accept"] = Napi::Function::New(env, accept_one);

  Napi::Object constants = Napi::Object::New(env);
#define CONSTANT(name) constants[#name] = Napi::Number::New(env, name)
  CONSTANT(AF_INET);
  CONSTANT(AF_INET6);
  CONSTANT(AF_UNIX);
  CONSTANT(SOCK_STREAM);
  CONSTANT(SOCK_DGRAM);
  CONSTANT(SOCK_SEQPACKET);
  CONSTANT(SOL_SOCKET);
  CONSTANT(SOL_IP);
  CONSTANT(SOL_IPV6);
  CONSTANT(SOL_TCP);
  CONSTANT(SO_KEEPALIVE);
  CONSTANT(SO_MARK);
  CONSTANT(SO_ORIGINAL_DST);
  CONSTANT(SO_REUSEADDR);
  CONSTANT(SO_REUSEPORT);
  CONSTANT(IP_FREEBIND);
  CONSTANT(IP_TRANSPARENT);
  CONSTANT(IPV6_FREEBIND);
  CONSTANT(IPV6_TRANSPARENT);
  CONSTANT(TCP_KEEPCNT);
  CONSTANT(TCP_KEEPIDLE);
  CONSTANT(TCP_KEEPINTVL);
  CONSTANT(TCP_NODELAY);
  CONSTANT(TCP_USER_TIMEOUT);
  CONSTANT(CLONE_NEWNET);
#undef CONSTANT
  exports["constants"] = constants;
}
