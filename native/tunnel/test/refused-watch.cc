#include "refused-watch.h"

#include <sys/epoll.h>

#include <atomic>
#include <cerrno>

namespace {

// Below 0: it was refused, or nothing is to be.
std::atomic<int> left = -1, error_then = 0;

}  // namespace

// The names are the linker's (ld --wrap).
extern "C" int __real_epoll_ctl(int epoll, int operation, int fd, epoll_event* event);

extern "C" int __wrap_epoll_ctl(int epoll, int operation, int fd, epoll_event* event) {
  if (operation == EPOLL_CTL_ADD && left >= 0 && left-- == 0) {
    errno = error_then;
    return -1;
  }
  return __real_epoll_ctl(epoll, operation, fd, event);
}

namespace culvert::test {

RefusedWatch::RefusedWatch(int place, int error) {
  error_then = error;
  left = place;
}

RefusedWatch::~RefusedWatch() { left = -1; }

bool RefusedWatch::happened() const { return left < 0; }

}  // namespace culvert::test
