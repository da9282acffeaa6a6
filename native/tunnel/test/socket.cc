#include "socket.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <filesystem>

#include "check.h"

namespace culvert::test {

namespace {

constexpr int kSilence = 60;  // seconds

OwnedFd listen_somewhere(Endpoint& at) {
  OwnedFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage address;
  socklen_t length = socket_address({"127.0.0.1", 0}, address);
  CHECK(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) == 0);
  CHECK(listen(fd.get(), 512) == 0);
  at = local_endpoint(fd.get());
  return fd;
}

}  // namespace

Socket::Socket(OwnedFd fd) : fd_(std::move(fd)) {
  timeval silence{kSilence, 0};
  setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence);
  setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof silence);
}

Socket Socket::connect(const Endpoint& to) {
  OwnedFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage address;
  socklen_t length = socket_address(to, address);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) {
    throw Failed("connect to " + to_text(to) + ": " + os_error(errno));
  }
  return Socket(std::move(fd));
}

size_t Socket::send_some(Bytes bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t sent = send(fd_.get(), bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) throw Failed("nobody takes what is sent");
    if (sent <= 0) break;
    done += static_cast<size_t>(sent);
  }
  return done;
}

void Socket::send_all(Bytes bytes) { CHECK_EQUAL(send_some(bytes), bytes.size()); }

void Socket::send_all(const std::string& text) {
  send_all(Bytes{reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

ssize_t Socket::receive(Room room) {
  for (;;) {
    ssize_t count = recv(fd_.get(), room.data(), room.size(), 0);
    if (count >= 0) return count;
    if (errno == EINTR) continue;
    if (errno == EAGAIN) throw Failed("nothing comes");
    return -1;
  }
}

std::vector<uint8_t> Socket::receive_all() {
  std::vector<uint8_t> all, part(65536);
  for (ssize_t count; (count = receive(part)) > 0;) all.insert(all.end(), part.begin(), part.begin() + count);
  return all;
}

std::vector<uint8_t> Socket::receive_exactly(size_t count) {
  std::vector<uint8_t> all(count);
  for (size_t have = 0; have < count;) {
    ssize_t more = receive(Room(all).subspan(have));
    if (more <= 0) throw Failed("the end after " + std::to_string(have) + " of " + std::to_string(count) + " bytes");
    have += static_cast<size_t>(more);
  }
  return all;
}

void Socket::hold_little() {
  constexpr int bytes = 65536;
  setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

void Socket::finish() { shutdown(fd_.get(), SHUT_WR); }

void Socket::reset() {
  linger at_once{1, 0};
  setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close();
}

void Socket::interrupt() { shutdown(fd_.get(), SHUT_RDWR); }

Application::Application(std::function<void(Socket&)> serve)
    : serve_(std::move(serve)), listener_(listen_somewhere(at_)), thread_([this] { accept_all(); }) {}

Application::~Application() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
    for (auto& one : serving_) one.socket.interrupt();
  }
  stop_listening(listener_.get());
  thread_.join();
  for (auto& one : serving_) one.thread.join();
}

void Application::accept_all() {
  for (;;) {
    OwnedFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (fd.get() < 0 && (errno == EINTR || errno == ECONNABORTED)) continue;
    std::lock_guard lock(mutex_);
    if (fd.get() < 0 || closing_) return;
    accepted_++;
    Serving& one = serving_.emplace_back(Serving{Socket(std::move(fd)), {}});
    one.thread = std::thread([this, &one] {
      try {
        serve_(one.socket);
      } catch (const Failed&) {
        // The engine broke the connection: the test sees that at the other end.
      }
      // Under the lock: the end of all may be interrupting it.
      std::lock_guard done(mutex_);
      one.socket.close();
    });
  }
}

void echo(Socket& socket) {
  std::vector<uint8_t> part(65536);
  for (ssize_t count; (count = socket.receive(part)) > 0;) {
    if (socket.send_some(Bytes(part).first(static_cast<size_t>(count))) < static_cast<size_t>(count)) return;
  }
  socket.finish();
}

void say_and_hear(Socket& socket) {
  socket.send_all("x");
  CHECK_EQUAL(static_cast<char>(socket.receive_exactly(1)[0]), 'x');
}

Endpoint nobody() {
  Endpoint at;
  OwnedFd fd = listen_somewhere(at);
  return at;
}

size_t open_descriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& one : std::filesystem::directory_iterator("/proc/self/fd")) count++;
  return count;
}

}  // namespace culvert::test
