#pragma once
#include <atomic>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "../src/engine/bytes.h"
#include "../src/engine/endpoint.h"
#include "../src/engine/sockets.h"

// Blocking sockets on the loopback address, for the applications around the engine.
namespace culvert::test {

class Socket {
 public:
  explicit Socket(OwnedFd fd);
  static Socket connect(const Endpoint& to);

  // Fewer: the other side is gone.
  size_t send_some(Bytes bytes);
  void send_all(Bytes bytes);
  void send_all(const std::string& text);
  // 0: the end; -1: reset. Fails after a long silence.
  ssize_t receive(Room room);
  // Until the end or a reset.
  std::vector<uint8_t> receive_all();
  std::vector<uint8_t> receive_exactly(size_t count);
  void finish();
  // Lets the kernel hold little of what is sent and received on it.
  void hold_little();
  // Closes with a reset.
  void reset();
  // Ends what another thread waits for on it.
  void interrupt();
  void close() { fd_ = OwnedFd(); }
  int fd() const { return fd_.get(); }

 private:
  OwnedFd fd_;
};

// A server on a port of the kernel's choice with a thread for each connection; all are over when it is.
class Application {
 public:
  explicit Application(std::function<void(Socket&)> serve);
  ~Application();
  Application(const Application&) = delete;
  Application& operator=(const Application&) = delete;

  const Endpoint& at() const { return at_; }
  int accepted() const { return accepted_; }

 private:
  void accept_all();

  struct Serving {
    Socket socket;
    std::thread thread;
  };

  std::function<void(Socket&)> serve_;
  Endpoint at_;
  OwnedFd listener_;
  std::atomic<int> accepted_ = 0;
  std::mutex mutex_;
  std::list<Serving> serving_;  // under mutex_
  bool closing_ = false;        // under mutex_
  std::thread thread_;
};

// Sends back what it gets, its end included.
void echo(Socket& socket);

// Sends one byte to an echo and waits for it.
void say_and_hear(Socket& socket);

// A port where nobody listens.
Endpoint nobody();

size_t open_descriptors();

}  // namespace culvert::test
