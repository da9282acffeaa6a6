#pragma once
#include "tunnel.h"

namespace culvert {

// A stream of one tunnel that carries another (double HBONE).
class StreamTransport final : public Transport, public StreamListener {
 public:
  StreamTransport(std::shared_ptr<Tunnel> outer, std::shared_ptr<Http2Stream> stream, Tunnel& inner);
  ~StreamTransport() override;

  ssize_t send(Bytes bytes) override;
  void finish() override;
  void close() override;
  void hold(size_t count) override;
  int64_t reading_since() const override { return outer_->reading_since(); }

  void on_response(int, std::vector<HeaderField>) override {}
  void on_data(Room bytes) override;
  void on_batch_end() override {}
  void on_end() override;
  void on_reset(Http2Error) override;
  void on_lost(TunnelLoss loss, const std::string& reason) override;
  void on_writable() override { inner_.on_sendable(); }

 private:
  std::shared_ptr<Tunnel> outer_;
  std::shared_ptr<Http2Stream> stream_;
  Tunnel& inner_;
  size_t held_ = 0;  // received, and not passed on by the inner tunnel
};

}  // namespace culvert
