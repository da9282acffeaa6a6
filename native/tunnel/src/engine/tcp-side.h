#pragma once
#include <functional>

#include "direction.h"
#include "loop.h"
#include "side.h"
#include "sockets.h"

namespace culvert {

// A plain TCP connection of an application.
class TcpSide final : public Side, public Pollable {
 public:
  TcpSide(Loop& loop, OwnedFd fd, std::function<void()> closed);
  ~TcpSide() override { abandon(); }

  // Begins to listen for events: before that nothing is read, so that what the client sent stays in the kernel.
  void start(bool registered);
  // Before any payload, on a connection that was just made. False when even that does not fit.
  bool write_preface(const std::string& bytes);

  void resume() override { pump(); }
  void credit(size_t) override {}
  void discard(size_t) override {}
  void reserve(size_t most, Pieces& places) override;
  void commit(size_t count) override;
  size_t write(const Pieces& bytes) override;
  bool takes_pipes() const override { return true; }
  void write(SplicePipe& pipe) override;
  void end() override;
  bool closed() const override { return fd_.get() < 0 || broken_; }
  std::optional<std::string> shutdown_failure() const override { return std::nullopt; }
  void abandon() override;

  void on_events(uint32_t events) override;

 private:
  void pump();
  void adapt(size_t got, size_t room);
  bool splice_to(Side& sink);
  void look_for_lost_data();
  void read_ended(int error);
  void broke();

  Loop& loop_;
  OwnedFd fd_;
  std::function<void()> closed_;
  Deferred again_;
  // Adaptive: large reads save system calls, small ones keep many quiet connections quick.
  size_t read_size_ = kSmallRead;
  int full_reads_ = 0;  // in a row, of `kLargeRead` at least
  bool readable_ = false, writable_ = true, hung_up_ = false, broken_ = false;

  // How many full reads of `kLargeRead` in a row are bulk worth reads of `kBulkRead`.
  static constexpr int kFullReads = 4;
};

}  // namespace culvert
