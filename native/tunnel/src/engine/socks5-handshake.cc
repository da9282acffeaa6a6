#include "socks5-handshake.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace culvert {

namespace {

void send_now(int fd, const std::string& bytes) { send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT); }

// What the client has sent already; unread, it would make the kernel reset the connection and with it our reply.
void discard_input(int fd) {
  char room[4096];
  for (int count = 0; count < 16; count++) {
    if (recv(fd, room, sizeof room, MSG_DONTWAIT) <= 0) return;
  }
}

}  // namespace

void send_socks5_reply(int fd, uint8_t code) { send_now(fd, socks5_reply(code)); }

Socks5Handshake::Socks5Handshake(Loop& loop, OwnedFd fd, Endpoint peer, int timeout, Done done)
    : loop_(loop), fd_(std::move(fd)), peer_(std::move(peer)), accepted_at_(precise_now()), done_(std::move(done)),
      deadline_(loop, [this] { fail(Socks5Reply::general_failure, "no request in time"); }) {
  if (timeout > 0) deadline_.start(timeout);
  loop.watch(fd_.get(), this);
}

void Socks5Handshake::on_events(uint32_t) {
  while (done_ && fd_.get() >= 0) {
    char room[257];
    ssize_t got = recv(fd_.get(), room, request_.wanted() - part_.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got < 0) return fail(Socks5Reply::general_failure, os_error(errno));
    if (got == 0) return fail(Socks5Reply::general_failure, "the client ended before its request did");
    part_.append(room, static_cast<size_t>(got));
    if (part_.size() < request_.wanted()) continue;
    std::string answer;
    if (auto problem = request_.take(std::exchange(part_, {}), answer)) {
      return fail(Socks5Reply::command_not_supported, std::move(*problem));
    }
    if (!answer.empty()) send_now(fd_.get(), answer);
    if (request_.wanted() > 0) continue;
    deadline_.stop();
    std::exchange(done_, nullptr)(std::nullopt);
  }
}

void Socks5Handshake::fail(Socks5Reply reply, std::string reason) {
  deadline_.stop();
  send_socks5_reply(fd_.get(), static_cast<uint8_t>(reply));
  discard_input(fd_.get());
  std::exchange(done_, nullptr)(std::move(reason));
}

OwnedFd Socks5Handshake::take() {
  // It lives to the end of this round, in which its time may run out.
  deadline_.stop();
  done_ = nullptr;
  loop_.unwatch(fd_.get());
  return std::move(fd_);
}

}  // namespace culvert
