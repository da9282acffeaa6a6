#include "workers.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <utility>

#include "pod.h"

namespace culvert {

namespace {

// Spreads the bits of a number over all of it.
uint64_t mix(uint64_t value) {
  value = (value ^ (value >> 33)) * 0xff51afd7ed558ccdULL;
  value = (value ^ (value >> 33)) * 0xc4ceb9fe1a85ec53ULL;
  return value ^ (value >> 33);
}

}  // namespace

Workers::Workers(unsigned started, unsigned most, Load& load) {
  most = std::clamp(most, 1u, kMost);
  active_ = std::clamp(started, 1u, most);
  std::vector<std::atomic<int64_t>*> bytes;
  for (unsigned i = 0; i < most; i++) bytes.push_back(&load.thread_bytes());
  // Signals belong to the program's own thread; the data threads are woken by their eventfd.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    for (unsigned i = 0; i < most; i++) start(i, load, active_ < most, bytes[i]);
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    // Those that run already.
    stop();
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Workers::start(unsigned number, const Load& load, bool may_grow, std::atomic<int64_t>* counter) {
  auto worker = std::make_unique<Worker>();
  worker->loop.limits = &load;
  if (may_grow) worker->loop.on_overload = [this] { grow(); };
  worker->thread = std::thread([loop = &worker->loop, counter] {
    count_blocks_in(counter);
    loop->run();
  });
  pthread_setname_np(worker->thread.native_handle(), ("culvert-data-" + std::to_string(number)).c_str());
  workers_.push_back(std::move(worker));
}

void Workers::grow() {
  unsigned active = active_;
  if (active < count()) active_.compare_exchange_strong(active, active + 1);
}

std::vector<uint32_t> Workers::loads() const {
  std::vector<uint32_t> loads;
  for (unsigned i = 0; i < active_; i++) loads.push_back(workers_[i]->loop.load);
  return loads;
}

// Rendezvous hashing: a thread more takes its share of the keys and moves no other.
unsigned Workers::for_key(const std::string& key) const {
  uint64_t hash = std::hash<std::string>()(key), best_score = 0;
  unsigned best = 0;
  for (unsigned i = 0; i < active_; i++) {
    uint64_t score = mix(hash + 0x9e3779b97f4a7c15ULL * (i + 1));
    if (score < best_score) continue;
    best_score = score;
    best = i;
  }
  return best;
}

unsigned Workers::least_loaded(unsigned preferred) const {
  unsigned best = preferred;
  for (unsigned i = 0; i < active_; i++) {
    if (workers_[i]->loop.load < workers_[best]->loop.load) best = i;
  }
  return best;
}

void Workers::post(Worker& worker, PodId id, std::function<void(Pod&)> call) {
  worker.loop.post([&worker, id, call = std::move(call)] {
    auto found = worker.pods.find(id);
    if (found == worker.pods.end()) return;
    auto pod = found->second;
    call(*pod);
  });
}

void Workers::ask(unsigned worker, PodId pod, std::function<void(Pod&)> call) {
  // Of an id that nobody gave out.
  if (worker >= count()) return;
  post(*workers_[worker], pod, std::move(call));
  workers_[worker]->asked = true;
}

void Workers::flush() {
  for (auto& worker : workers_) {
    if (std::exchange(worker->asked, false)) worker->loop.wake();
  }
}

void Workers::tell(unsigned worker, PodId pod, std::function<void(Pod&)> call) {
  post(*workers_[worker], pod, std::move(call));
  workers_[worker]->loop.wake();
}

void Workers::add(unsigned worker, PodId id, std::shared_ptr<Pod> pod) {
  Worker& to = *workers_[worker];
  to.asked = true;
  to.loop.post([&to, id, pod = std::move(pod)] { to.pods.emplace(id, pod); });
}

void Workers::remove(PodId id) {
  for (auto& worker : workers_) {
    worker->loop.post([&worker = *worker, id] {
      auto part = worker.pods.extract(id);
      if (part) part.mapped()->end();
    });
    worker->loop.wake();
  }
}

void Workers::revoke(std::shared_ptr<const Revocations> revocations) {
  for (auto& worker : workers_) {
    worker->asked = true;
    worker->loop.post([&worker = *worker, revocations] {
      worker.loop.revocations = revocations;
      std::vector<std::shared_ptr<Pod>> all;
      for (auto& [_, pod] : worker.pods) all.push_back(pod);
      for (auto& pod : all) pod->check_revocations();
    });
  }
}

void Workers::stop() {
  if (std::exchange(stopped_, true)) return;
  for (auto& worker : workers_) {
    worker->loop.post([&pods = worker->pods] {
      std::vector<std::shared_ptr<Pod>> all;
      all.reserve(pods.size());
      for (auto& [_, pod] : pods) all.push_back(pod);
      for (auto& pod : all) pod->close();
      for (auto& pod : all) pod->end();
      pods.clear();
    });
    // Another round, for what the last one still had to send.
    worker->loop.post([&loop = worker->loop] { loop.stop(); });
    worker->loop.wake();
  }
  for (auto& worker : workers_) worker->thread.join();
}

}  // namespace culvert
