#pragma once

namespace culvert::test {

// While it lives the kernel refuses to watch one descriptor, as it does at /proc/sys/fs/epoll/max_user_watches (ENOSPC): the
// one that is added as the `place`th from now, from 0.
class RefusedWatch {
 public:
  RefusedWatch(int place, int error);
  ~RefusedWatch();
  RefusedWatch(const RefusedWatch&) = delete;
  RefusedWatch& operator=(const RefusedWatch&) = delete;

  bool happened() const;
};

}  // namespace culvert::test
