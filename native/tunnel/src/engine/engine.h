#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "limits.h"
#include "pod.h"
#include "values.h"
#include "workers.h"

namespace culvert {

struct OpenedPod {
  PodId id;
  std::vector<Endpoint> listeners;
  bool original_source;
};

struct BindFailure {
  Endpoint at;
  int error;
};

// The data threads, and the two batched queues between them and the one decision thread whose methods these are.
class Engine {
 public:
  // Threads as `Workers` has them. `notify` is called on a data thread when the first event of a batch is there.
  Engine(unsigned threads, unsigned most, Limits limits, std::function<void()> notify);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Binds every listener, or throws BindFailure.
  OpenedPod open(PodSettings settings);
  void decide(PodId pod, ConnectionId id, Decision decision);
  void give_credential(PodId pod, ConnectionId id, std::shared_ptr<const TlsCredential> credential);
  void cut(PodId pod, ConnectionId id);
  void revoke(std::shared_ptr<const Revocations> revocations) { workers_.revoke(std::move(revocations)); }
  void drain(PodId pod);
  void drain_deadline(PodId pod);
  void close(PodId pod);
  // What was asked for since the last call reaches the data threads together: a close of several pods is one event.
  void flush();
  // Cuts everything that is left and ends the threads.
  void stop();

  std::vector<Event> take_events();
  // Held in user space for whoever does not take it; of any thread's asking.
  uint64_t buffered_bytes() const { return load_.buffered_bytes(); }
  // How much lives on each thread in use.
  std::vector<uint32_t> loads() const { return workers_.loads(); }

 private:
  void refuse_connections(PodId pod);
  void on_every_thread(PodId pod, void (Pod::*call)());
  void emit(Event event);

  Load load_;
  std::function<void()> notify_;
  std::unordered_map<PodId, std::vector<SharedFd>> listeners_;
  PodId last_pod_ = 0;
  std::mutex mutex_;
  std::vector<Event> events_;  // under mutex_
  std::map<std::pair<PodId, ListenerRole>, size_t> sockets_;  // under mutex_; where they are among the events
  Workers workers_;            // the last member: its threads use the others
};

}  // namespace culvert
