#include "tcp-side.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace culvert {

namespace {

// Reads per connection and round: others want their turn.
constexpr int kReads = 4;

bool is_disconnect(int error) { return error == ECONNRESET || error == ENOTCONN || error == EPIPE; }

// Calls for one piece cost the kernel less than those for many.
ssize_t receive(int fd, Pieces& places) {
  if (places.count() > 1) return readv(fd, places.data(), static_cast<int>(places.count()));
  return recv(fd, places.data()->iov_base, places.size(), 0);
}

ssize_t send_all(int fd, const Pieces& bytes) {
  if (bytes.count() == 1) return send(fd, bytes.at(0).data(), bytes.size(), MSG_NOSIGNAL);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(bytes.data());
  message.msg_iovlen = bytes.count();
  return sendmsg(fd, &message, MSG_NOSIGNAL);
}

}  // namespace

TcpSide::TcpSide(Loop& loop, OwnedFd fd, std::function<void()> closed)
    : loop_(loop), fd_(std::move(fd)), closed_(std::move(closed)), again_(loop, [this] { pump(); }) {}

void TcpSide::start(bool registered) {
  if (fd_.get() < 0) return;
  if (registered) loop_.rewatch(fd_.get(), this);
  else loop_.watch(fd_.get(), this);
}

bool TcpSide::write_preface(const std::string& bytes) {
  return bytes.empty() ||
         send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

void TcpSide::on_events(uint32_t events) {
  if (fd_.get() < 0) return;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) hung_up_ = true;
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) readable_ = true;
  if ((events & EPOLLERR) != 0) broke();
  if (fd_.get() >= 0 && (events & EPOLLOUT) != 0 && !writable_) {
    writable_ = true;
    if (inward != nullptr) inward->sink_writable();
  }
  if (fd_.get() >= 0 && readable_) pump();
}

// Nothing can be written any more. What arrived before can still be read.
void TcpSide::broke() {
  if (broken_) return;
  broken_ = true;
  if (inward != nullptr) inward->sink_closed();
}

void TcpSide::pump() {
  Pieces places;
  int reads = 0;
  while (fd_.get() >= 0 && readable_ && outward != nullptr && outward->phase() == Direction::Phase::copying) {
    if (outward->holds()) return;
    if (reads++ == kReads) return again_.next_round();
    Side& sink = outward->sink();
    if (sink.closed()) return look_for_lost_data();
    if (read_size_ >= kLargeRead && sink.takes_pipes() && splice_to(sink)) continue;
    if (loop_.short_of_memory()) read_size_ = kSmallRead;
    sink.reserve(loop_.reads_alone(this) ? read_size_ : std::min(read_size_, kLargeRead), places);
    if (places.empty()) return;
    ssize_t count = receive(fd_.get(), places);
    int error = errno;
    sink.commit(count > 0 ? static_cast<size_t>(count) : 0);
    if (count <= 0) {
      if (count < 0 && error == EINTR) continue;
      return read_ended(count == 0 ? 0 : error);
    }
    auto got = static_cast<size_t>(count);
    outward->bytes += got;
    // A short read means drained, unless an end is known to follow.
    if (got < places.size() && !hung_up_) readable_ = false;
    adapt(got, places.size());
  }
}

// To a read that got so much of its room.
void TcpSide::adapt(size_t got, size_t room) {
  if (got < room) {
    full_reads_ = 0;
    if (got < read_size_ / 8) read_size_ = std::max(read_size_ / 2, kSmallRead);
  } else if (got < read_size_) {
    return;
  } else if (read_size_ < kLargeRead) {
    read_size_ *= 4;
  } else if (read_size_ < kBulkRead && ++full_reads_ >= kFullReads) {
    read_size_ = kBulkRead;
    full_reads_ = 0;
  }
}

// In bulk between two sockets the bytes stay in the kernel. False: they must be copied. A short count does not mean
// drained here, since a pipe has few slots; what the socket says when it is empty does.
bool TcpSide::splice_to(Side& sink) {
  auto pipe = SplicePipe::take();
  if (pipe == nullptr) return false;
  loop_.reads_alone(this);
  ssize_t count = pipe->fill(fd_.get());
  if (count < 0 && errno == EINVAL) return false;
  if (count < 0 && errno == EINTR) return true;
  if (count <= 0) {
    read_ended(count == 0 ? 0 : errno);
    return true;
  }
  outward->bytes += static_cast<size_t>(count);
  if (static_cast<size_t>(count) < read_size_ / 8) read_size_ /= 2;
  sink.write(*pipe);
  if (!pipe->empty()) outward->hold(std::move(pipe));
  if (sink.closed()) outward->sink_closed();
  return true;
}

// The sink takes nothing any more: data that still comes is lost, an end is just an end.
void TcpSide::look_for_lost_data() {
  uint8_t byte;
  ssize_t count = recv(fd_.get(), &byte, 1, 0);
  if (count > 0) return outward->fail_data();
  read_ended(count == 0 ? 0 : errno);
}

// Nothing more for now, or ever; 0: the end of data.
void TcpSide::read_ended(int error) {
  readable_ = false;
  if (error == 0) return outward->source_ended();
  if (error == EAGAIN || error == EINTR) return;
  if (is_disconnect(error)) outward->source_ended();
  else outward->source_closed("io error: " + os_error(error));
  broke();
}

void TcpSide::reserve(size_t most, Pieces& places) {
  places.clear();
  Room buffer = loop_.copy_buffer();
  if (!inward->holds()) places.add(buffer.first(std::min(most, buffer.size())));
}

void TcpSide::commit(size_t count) {
  if (count == 0) return;
  Bytes data = loop_.copy_buffer().first(count);
  Pieces pieces;
  pieces.add(data);
  size_t taken = write(pieces);
  if (taken < count) inward->hold(data.subspan(taken));
  if (closed()) inward->sink_closed();
}

size_t TcpSide::write(const Pieces& bytes) {
  if (closed() || !writable_) return 0;
  ssize_t sent = send_all(fd_.get(), bytes);
  if (sent < 0) {
    if (errno != EAGAIN && errno != EINTR) broken_ = true;
    sent = 0;
  }
  // Edge-triggered: the kernel tells when there is room again.
  if (static_cast<size_t>(sent) < bytes.size()) writable_ = false;
  return static_cast<size_t>(sent);
}

void TcpSide::write(SplicePipe& pipe) {
  while (!pipe.empty() && !closed() && writable_) {
    ssize_t sent = pipe.drain(fd_.get());
    if (sent > 0 || (sent < 0 && errno == EINTR)) continue;
    // Edge-triggered: the kernel tells when there is room again.
    if (sent < 0 && errno == EAGAIN) writable_ = false;
    else broken_ = true;
  }
}

void TcpSide::end() { shutdown(fd_.get(), SHUT_WR); }

void TcpSide::abandon() {
  if (fd_.get() < 0) return;
  fd_ = OwnedFd();
  if (closed_) closed_();
}

}  // namespace culvert
