#pragma once
#include <sys/types.h>

#include <cstddef>
#include <memory>

#include "sockets.h"

namespace culvert {

// Bytes on their way from one socket to another that never visit user space: splice(2) by way of a pipe. A pipe is
// held only while it is not empty; each thread keeps a few spare ones.
class SplicePipe {
 public:
  // Null when there is no descriptor for one.
  static std::unique_ptr<SplicePipe> take();
  ~SplicePipe();
  SplicePipe(const SplicePipe&) = delete;
  SplicePipe& operator=(const SplicePipe&) = delete;

  bool empty() const { return held_ == 0; }
  // How much came or went; 0 at the end of the socket's data; -1 and errno.
  ssize_t fill(int from);
  ssize_t drain(int to);

 private:
  struct Ends {
    OwnedFd out, in;
  };
  struct Spare;

  explicit SplicePipe(Ends ends) : ends_(std::move(ends)) {}

  Ends ends_;
  size_t held_ = 0;
};

}  // namespace culvert
