#include "tcp-transport.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "limits.h"

namespace culvert {

namespace {
// Reads per tunnel and round: others want their turn.
constexpr int kReads = 4;
}  // namespace

TcpTransport::TcpTransport(Loop& loop, Tunnel& tunnel, OwnedFd fd, bool registered, std::function<void()> closed)
    : loop_(loop), tunnel_(tunnel), fd_(std::move(fd)), closed_(std::move(closed)), again_(loop, [this] { read(); }) {
  if (registered) loop.rewatch(fd_.get(), this);
  else loop.watch(fd_.get(), this);
}

ssize_t TcpTransport::send(Bytes bytes) {
  if (fd_.get() < 0) return -1;
  ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent >= 0) return sent;
  return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

void TcpTransport::finish() {
  if (fd_.get() >= 0) shutdown(fd_.get(), SHUT_WR);
}

void TcpTransport::close() {
  if (fd_.get() < 0) return;
  fd_ = OwnedFd();
  if (closed_) closed_();
}

// A FIN that was not acknowledged counts as one byte.
size_t TcpTransport::unsent() const {
  int bytes = 0;
  return fd_.get() >= 0 && ioctl(fd_.get(), SIOCOUTQ, &bytes) == 0 ? static_cast<size_t>(bytes) : 0;
}

void TcpTransport::on_events(uint32_t events) {
  if (fd_.get() < 0) return;
  auto self = tunnel_.shared_from_this();
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) hung_up_ = true;
  if ((events & EPOLLOUT) != 0) tunnel_.on_sendable();
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == 0) return;
  // Handshakes are slow: what was received for one stays with the kernel until its turn.
  if (tunnel_.shaking_hands()) again_.in_turn();
  else read();
}

void TcpTransport::hold(size_t count) {
  if (held_back_ && count < kHeldWhenShort) again_.next_round();
}

void TcpTransport::read() {
  auto self = tunnel_.shared_from_this();
  if (std::exchange(held_back_, false)) reading_since_ = now();
  for (int reads = 0; fd_.get() >= 0; reads++) {
    if (reads == kReads) return again_.next_round();
    Room buffer = loop_.cipher_buffer();
    if (loop_.short_of_memory()) {
      held_back_ = tunnel_.session().held() >= kHeldWhenShort;
      if (held_back_) return again_.when_memory_is_free();
      buffer = buffer.first(kHeldWhenShort);
    }
    ssize_t count = recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) return tunnel_.on_transport_end(count == 0 ? 0 : errno);
    tunnel_.on_bytes(buffer.first(static_cast<size_t>(count)));
    // A short read means drained, unless an end is known to follow.
    if (static_cast<size_t>(count) < buffer.size() && !hung_up_) return;
  }
}

}  // namespace culvert
