#include "listener.h"

#include <sys/socket.h>

#include <cerrno>

#include "pod.h"

namespace culvert {

namespace {
constexpr int kAcceptsPerRound = 64;
constexpr int64_t kRetry = 100, kTell = 1000;  // milliseconds
}  // namespace

Listener::Listener(Pod& pod, Loop& loop, SharedFd fd, ListenerRole role)
    : pod_(pod), fd_(std::move(fd)), role_(role), again_(loop, [this] { accept_some(); }),
      retry_(loop, [this] { accept_some(); }) {
  loop.watch(fd_->get(), this);
}

void Listener::accept_some() {
  for (int count = 0; fd_ != nullptr; count++) {
    if (count == kAcceptsPerRound) return again_.next_round();
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    OwnedFd accepted(accept4(fd_->get(), reinterpret_cast<sockaddr*>(&address), &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (accepted.get() >= 0) {
      set_no_delay(accepted.get());
      pod_.on_accepted(role_, std::move(accepted), endpoint_of(address));
      continue;
    }
    if (errno == EAGAIN) return;
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EINVAL) return;  // made to refuse by the decision thread
    // Out of descriptors or memory: what waits is tried again, since no event will say that it still does.
    int error = errno;
    if (now() - told_at_ >= kTell) {
      told_at_ = now();
      pod_.emit(Warned{"accept failed: " + os_error(error)});
    }
    return retry_.start(kRetry);
  }
}

}  // namespace culvert
