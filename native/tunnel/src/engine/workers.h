#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "limits.h"
#include "loop.h"
#include "values.h"

namespace culvert {

class Pod;

// The data threads, and what lives where. Every pod has a part on each of them; a connection lives on one.
class Workers {
 public:
  // Work is placed on `started` threads at first, and on one more, up to `most`, each time one has used a whole CPU
  // for a while. The others wait and cost next to nothing.
  Workers(unsigned started, unsigned most, Load& load);
  ~Workers() { stop(); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  static constexpr unsigned kMost = 256;
  // Ids say where a connection began.
  ConnectionId next_id(unsigned worker) { return ++last_id_ * kMost + worker; }
  static unsigned worker_of(ConnectionId id) { return static_cast<unsigned>(id % kMost); }

  unsigned count() const { return static_cast<unsigned>(workers_.size()); }
  Loop& loop(unsigned worker) { return workers_[worker]->loop; }
  // Connections and tunnels on each thread that takes new ones.
  std::vector<uint32_t> loads() const;

  // Where connections of one pool key meet, so that they share tunnels.
  unsigned for_key(const std::string& key) const;
  // `preferred` when nobody has less.
  unsigned least_loaded(unsigned preferred) const;

  // From any thread: `call` runs with the pod's part on that one, unless the pod is gone. `ask` is the decision
  // thread's and waits for its `flush`; `tell` happens at once.
  void ask(unsigned worker, PodId pod, std::function<void(Pod&)> call);
  void flush();
  void tell(unsigned worker, PodId pod, std::function<void(Pod&)> call);

  void add(unsigned worker, PodId id, std::shared_ptr<Pod> pod);
  void remove(PodId id);
  // New handshakes go by these lists, and tunnels of revoked peers are cut.
  void revoke(std::shared_ptr<const Revocations> revocations);
  // Closes what is left and ends the threads.
  void stop();

 private:
  struct Worker {
    Loop loop;
    std::unordered_map<PodId, std::shared_ptr<Pod>> pods;  // touched on the loop's thread only
    std::thread thread;
    bool asked = false;  // the decision thread posted something since its last flush
  };

  void start(unsigned number, const Load& load, bool may_grow, std::atomic<int64_t>* counter);
  void post(Worker& worker, PodId pod, std::function<void(Pod&)> call);
  void grow();

  std::vector<std::unique_ptr<Worker>> workers_;
  std::atomic<unsigned> active_;
  std::atomic<ConnectionId> last_id_ = 0;
  bool stopped_ = false;
};

}  // namespace culvert
