#include "dial.h"

#include <cerrno>

namespace culvert {

std::shared_ptr<Dial> Dial::start(Loop& loop, OwnedFd fd, int timeout, Done done) {
  auto dial = std::make_shared<Dial>(loop, std::move(fd), std::move(done));
  if (timeout > 0) dial->timer_.start(timeout);
  loop.watch(dial->fd_.get(), dial.get());
  return dial;
}

Dial::Dial(Loop& loop, OwnedFd fd, Done done)
    : loop_(loop), fd_(std::move(fd)), timer_(loop, [this] { finish(OwnedFd(), ETIMEDOUT, true); }),
      done_(std::move(done)) {}

void Dial::cancel() {
  done_ = nullptr;
  timer_.stop();
  fd_ = OwnedFd();
  loop_.retire(shared_from_this());
}

void Dial::on_events(uint32_t events) {
  if (!done_ || (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0) return;
  int error = connect_result(fd_.get());
  finish(error == 0 ? std::move(fd_) : OwnedFd(), error, false);
}

void Dial::finish(OwnedFd fd, int error, bool deadline) {
  Done done = std::move(done_);
  done_ = nullptr;
  timer_.stop();
  fd_ = OwnedFd();
  loop_.retire(shared_from_this());
  if (done) done(std::move(fd), error, deadline);
}

}  // namespace culvert
