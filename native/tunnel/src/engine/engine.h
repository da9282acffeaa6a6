#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "limits.h"
#include "loop.h"
#include "pod.h"
#include "values.h"

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
  // `notify` is called on a data thread when the first event of a batch is there.
  Engine(unsigned threads, Limits limits, std::function<void()> notify);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Binds every listener, or throws BindFailure.
  OpenedPod open(PodSettings settings);
  void decide(PodId pod, ConnectionId id, Decision decision);
  void give_credential(PodId pod, ConnectionId id, std::shared_ptr<const TlsCredential> credential);
  void cut(PodId pod, ConnectionId id);
  void drain(PodId pod);
  void drain_deadline(PodId pod);
  void close(PodId pod);
  // What was asked for since the last call reaches the data threads together: a close of several pods is one event.
  void flush();
  // Cuts everything that is left and ends the threads.
  void stop();

  std::vector<Event> take_events();

 private:
  struct Worker {
    Loop loop;
    std::unordered_map<PodId, std::shared_ptr<Pod>> pods;  // touched on the loop's thread only
    std::thread thread;
    bool asked = false;  // something was posted since the last flush
  };

  Worker& worker_of(PodId pod) { return *workers_[pod % workers_.size()]; }
  void refuse_connections(PodId pod);
  void with_pod(PodId pod, std::function<void(Pod&)> call);
  void emit(Event event);

  Load load_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::function<void()> notify_;
  std::unordered_map<PodId, std::vector<SharedFd>> listeners_;
  PodId last_pod_ = 0;
  std::atomic<ConnectionId> last_id_ = 0;
  bool stopped_ = false;
  std::mutex mutex_;
  std::vector<Event> events_;  // under mutex_
};

}  // namespace culvert
