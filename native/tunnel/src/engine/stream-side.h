#pragma once
#include <functional>
#include <memory>

#include "direction.h"
#include "side.h"
#include "tunnel.h"

namespace culvert {

// A CONNECT stream of a tunnel, client's or server's.
class StreamSide final : public Side, public StreamListener {
 public:
  StreamSide(std::shared_ptr<Tunnel> tunnel, std::shared_ptr<Http2Stream> stream);
  // Asks for a stream.
  StreamSide(std::shared_ptr<Tunnel> tunnel, const std::string& authority, const std::vector<HeaderField>& headers);
  ~StreamSide() override;

  // Before the directions are connected: the answer of a server, or that there will be none.
  std::function<void(int status, std::vector<HeaderField> headers)> on_answer;
  std::function<void(std::string reason)> on_gone;

  Tunnel& tunnel() { return *tunnel_; }
  const std::shared_ptr<Tunnel>& tunnel_ptr() { return tunnel_; }
  const std::shared_ptr<Http2Stream>& stream() { return stream_; }
  // Hands on what came before the directions were connected.
  void start();

  void resume() override {}
  void credit(size_t count) override;
  void discard(size_t count) override;
  bool waits_for_credit() const override { return true; }
  void reserve(size_t most, Pieces& places) override {
    tunnel_->session().reserve_data(*stream_, most, places);
  }
  void commit(size_t count) override { tunnel_->session().commit_data(*stream_, count); }
  // Streams are filled in place.
  size_t write(const Pieces&) override { return 0; }
  void end() override { tunnel_->session().end(*stream_); }
  bool closed() const override { return gone_; }
  std::optional<std::string> shutdown_failure() const override;
  void abandon() override;

  void on_response(int status, std::vector<HeaderField> headers) override;
  void on_data(Room bytes) override;
  void on_batch_end() override;
  void on_end() override;
  void on_reset(Http2Error code) override;
  void on_lost(TunnelLoss loss, const std::string& reason) override;
  void on_writable() override;

 private:
  std::optional<std::string> read_failure() const;
  void went(std::string reason);

  std::shared_ptr<Tunnel> tunnel_;
  std::shared_ptr<Http2Stream> stream_;
  size_t uncredited_ = 0;  // delivered, and not yet taken
  ByteQueue early_;
  std::unique_ptr<Pieces> batch_;  // heard in this batch, and not delivered yet
  bool gone_ = false;  // reset, or lost with its tunnel
  Http2Error code_ = Http2Error::no_error;
  TunnelLoss loss_ = TunnelLoss::no;
};

}  // namespace culvert
