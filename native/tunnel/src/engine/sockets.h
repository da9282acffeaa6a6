#pragma once
#include <memory>
#include <optional>
#include <string>

#include "values.h"

// Sockets of one pod: made in its namespace, marked, with its settings (docs/spec/zds.md 4.3).
namespace culvert {

// A descriptor that is closed with its owner.
class OwnedFd {
 public:
  explicit OwnedFd(int fd = -1) : fd_(fd) {}
  ~OwnedFd();
  OwnedFd(OwnedFd&& other) noexcept : fd_(other.release()) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept;
  int get() const { return fd_; }
  int release();

 private:
  int fd_;
};

// Shared, so that the decision thread can make it refuse at once what the data thread would still accept.
using SharedFd = std::shared_ptr<const OwnedFd>;

struct BoundListener {
  SharedFd fd;
  ListenerRole role;
  Endpoint address;
  bool transparent;
};

struct SocketError {
  int error;  // errno
};

// Where a connection leads: to another node inside a tunnel, to an application on this one, or anywhere.
enum class Leg { tunnel, local, open };

// `netns` -1: the process's own. Throws SocketError.
BoundListener bind_listener(int netns, const SocketSettings& settings, const ListenerAddress& address,
                            std::optional<std::string>& warning);

// Somebody else's address as our own; empty: the kernel's choice.
struct ForeignSource {
  std::string ip;
  // Where the owner may itself be connected to the same destination, through the same connection tracking: both picking one
  // port would make two connections one, and the later of them hang. A port picked by bind(2), as here, is odd while one picked
  // by connect(2) is even, counted from the start of net.ipv4.ip_local_port_range and for as long as there are such.
  bool own_port = false;
};

// A socket on its way to `to`. Throws SocketError.
OwnedFd start_connect(int netns, const SocketSettings& settings, Leg leg, const Endpoint& to,
                      const ForeignSource& source, std::optional<std::string>& warning);

// What connect(2) came to: 0 or an errno.
int connect_result(int fd);

Endpoint local_endpoint(int fd);
// SO_ORIGINAL_DST: where a connection was going before a REDIRECT rule brought it here; else the local address.
Endpoint original_destination(int fd);

void set_no_delay(int fd);
// As the log and TypeScript call it.
const char* name(ListenerRole role);
// From any thread: new connections are refused, those that wait are reset.
void stop_listening(int fd);

}  // namespace culvert
