#pragma once
#include "socket.h"

namespace culvert::test {

// What stands between two pods and treats their bytes badly.
struct Chaos {
  size_t largest_part = 65536;            // passes bytes on in parts of one to so many
  size_t cut_forward = SIZE_MAX;          // ends the connection after so many bytes from the client,
  size_t cut_back = SIZE_MAX;             // or from the server
  bool reset = false;                     // with a reset instead of an end
  size_t change_forward = SIZE_MAX, change_back = SIZE_MAX;  // flips a bit of the byte at this place
};

// Passes every connection on. The next connection is treated as `set` said last.
class ChaosProxy {
 public:
  ChaosProxy();
  void lead_to(const Endpoint& to);
  const Endpoint& at() const { return application_->at(); }
  void set(Chaos chaos);
  // Passes nothing on from now, on any connection.
  void silence() { silent_ = true; }

 private:
  void serve(Socket& client);

  std::mutex mutex_;
  Endpoint to_;    // under mutex_
  Chaos chaos_;    // under mutex_
  uint32_t seed_;  // under mutex_
  std::atomic<bool> silent_ = false;
  std::unique_ptr<Application> application_;
};

}  // namespace culvert::test
