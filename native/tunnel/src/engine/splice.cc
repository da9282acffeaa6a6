#include "splice.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>
#include <vector>

namespace culvert {

namespace {

// A page of payload per slot at most; the kernel's own size is 16 slots, which is a system call for every 64 KiB.
constexpr int kPipeSize = 512 * 1024;
constexpr size_t kSparePipes = 8;

}  // namespace

struct SplicePipe::Spare {
  static std::vector<Ends>& of_thread() {
    thread_local std::vector<Ends> spare;
    return spare;
  }
};

std::unique_ptr<SplicePipe> SplicePipe::take() {
  auto& spare = Spare::of_thread();
  if (!spare.empty()) {
    Ends ends = std::move(spare.back());
    spare.pop_back();
    return std::unique_ptr<SplicePipe>(new SplicePipe(std::move(ends)));
  }
  int fds[2];
  if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0) return nullptr;
  // Refused beyond a user's share of such memory: smaller works too.
  fcntl(fds[1], F_SETPIPE_SZ, kPipeSize);
  return std::unique_ptr<SplicePipe>(new SplicePipe({OwnedFd(fds[0]), OwnedFd(fds[1])}));
}

SplicePipe::~SplicePipe() {
  auto& spare = Spare::of_thread();
  if (empty() && spare.size() < kSparePipes) spare.push_back(std::move(ends_));
}

ssize_t SplicePipe::fill(int from) {
  ssize_t count = splice(from, nullptr, ends_.in.get(), nullptr, kPipeSize, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (count > 0) held_ += static_cast<size_t>(count);
  return count;
}

ssize_t SplicePipe::drain(int to) {
  ssize_t count = splice(ends_.out.get(), nullptr, to, nullptr, held_, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (count > 0) held_ -= static_cast<size_t>(count);
  return count;
}

}  // namespace culvert
