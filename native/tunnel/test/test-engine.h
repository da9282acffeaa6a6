#pragma once
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "../src/engine/engine.h"
#include "certificates.h"
#include "check.h"

namespace culvert::test {

// What a pod answers, on the decision thread; nullopt: never, or later through `TestEngine::ask`.
struct Handler {
  std::function<std::optional<Decision>(const ConnectionAccepted&)> connection;
  std::function<std::optional<Decision>(const StreamRequested&)> stream;
  std::function<std::optional<std::shared_ptr<const TlsCredential>>(const CredentialWanted&)> credential;
  std::function<std::optional<Decision>(const Socks5Requested&)> socks5 = {};
};

// Everything that was heard of one pod so far.
struct Heard {
  std::map<ConnectionId, uint64_t> progress;  // both ways together
  std::vector<ConnectionId> asked;
  std::vector<StreamRequested> streams;
  std::vector<ConnectionOpened> opened;
  std::vector<ConnectionClosed> closed;
  std::vector<std::string> handshake_failures, warnings;
  std::map<ListenerRole, int> sockets_opened, sockets_open;
  std::optional<PodEnded> ended;
  int revoked_servers = 0, revoked_clients = 0;
};

// An engine with a decision thread of its own, which holds every event against what an engine may say. The checks of a
// broken promise are made at its end.
class TestEngine {
 public:
  explicit TestEngine(unsigned threads = 2, Limits limits = {});
  // Stops the engine and checks that everything that was asked about has its outcome.
  ~TestEngine() noexcept(false);
  TestEngine(const TestEngine&) = delete;
  TestEngine& operator=(const TestEngine&) = delete;

  OpenedPod open(PodSettings settings, Handler handler);
  // Runs on the decision thread, which is the only one that may touch the engine.
  void ask(std::function<void(Engine&)> call);
  void stop();

  // Puts the clock forward, in milliseconds: what is due by then happens before anything else that is asked for.
  void skip(int64_t milliseconds);

  uint64_t buffered_bytes() const { return engine_->buffered_bytes(); }
  Heard heard(PodId pod);
  // Waits until the pod's events fulfil the condition.
  Heard wait(PodId pod, const char* what, const std::function<bool(const Heard&)>& condition);
  Heard wait_closed(PodId pod, size_t count);

 private:
  void run();
  void handle(Event event);
  void promise(bool kept, const char* what);

  std::mutex mutex_;
  std::condition_variable asked_, changed_;
  bool notified_ = false, stopping_ = false;                     // under mutex_
  std::vector<std::function<void(Engine&)>> calls_;              // under mutex_
  std::map<PodId, Heard> heard_;                                 // under mutex_
  std::vector<std::string> broken_promises_;                     // under mutex_
  std::map<PodId, Handler> handlers_;                            // the decision thread's
  std::map<ConnectionId, bool> known_;                           // the decision thread's; true: closed
  std::unique_ptr<Engine> engine_;
  std::thread thread_;
  const int exceptions_;
};

}  // namespace culvert::test
