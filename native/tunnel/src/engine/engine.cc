#include "engine.h"

#include <fcntl.h>
#include <signal.h>

#include <utility>

namespace culvert {

Engine::Engine(unsigned threads, Limits limits, std::function<void()> notify)
    : load_(limits), notify_(std::move(notify)) {
  // Signals belong to the program's own thread; the data threads are woken by their eventfd.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::vector<std::atomic<int64_t>*> bytes;
  for (unsigned i = 0; i < threads; i++) bytes.push_back(&load_.thread_bytes());
  for (unsigned i = 0; i < threads; i++) {
    auto worker = std::make_unique<Worker>();
    worker->thread = std::thread([loop = &worker->loop, counter = bytes[i]] {
      count_blocks_in(counter);
      loop->run();
    });
    workers_.push_back(std::move(worker));
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Engine::~Engine() { stop(); }

void Engine::stop() {
  if (std::exchange(stopped_, true)) return;
  for (auto& worker : workers_) {
    worker->loop.post([pods = &worker->pods] {
      auto all = std::exchange(*pods, {});
      for (auto& [_, pod] : all) pod->close();
    });
    // Another round, for what the last one still had to send.
    worker->loop.post([loop = &worker->loop] { loop->stop(); });
    worker->loop.wake();
  }
  for (auto& worker : workers_) worker->thread.join();
}

OpenedPod Engine::open(PodSettings settings) {
  PodId id = ++last_pod_;
  std::vector<BoundListener> bound;
  OpenedPod opened{id, {}, settings.sockets.original_source != OriginalSource::never};
  std::vector<std::string> warnings;
  for (const auto& address : settings.listeners) {
    try {
      std::optional<std::string> warning;
      bound.push_back(bind_listener(settings.netns, settings.sockets, address, warning));
      if (warning) warnings.push_back(*warning);
    } catch (const SocketError& failure) {
      listeners_.erase(id);
      throw BindFailure{address.at, failure.error};
    }
    listeners_[id].push_back(bound.back().fd);
    opened.listeners.push_back(bound.back().address);
    opened.original_source = opened.original_source && bound.back().transparent;
  }
  OwnedFd netns(settings.netns < 0 ? -1 : fcntl(settings.netns, F_DUPFD_CLOEXEC, 0));
  Worker& worker = worker_of(id);
  // std::function wants what can be copied.
  auto listeners = std::make_shared<std::vector<BoundListener>>(std::move(bound));
  auto pod = std::make_shared<Pod>(
      worker.loop, Pod::Parts{id, std::move(settings), std::move(netns), opened.original_source, load_,
                              [this] { return ++last_id_; }, [this](Event event) { emit(std::move(event)); },
                              [&worker, id] { worker.pods.erase(id); }});
  worker.asked = true;
  worker.loop.post([&worker, pod, listeners, id] {
    worker.pods.emplace(id, pod);
    pod->listen(std::move(*listeners));
  });
  for (auto& warning : warnings) emit(Event{id, Warned{warning}});
  return opened;
}

void Engine::with_pod(PodId id, std::function<void(Pod&)> call) {
  Worker& worker = worker_of(id);
  worker.asked = true;
  worker.loop.post([&worker, id, call = std::move(call)] {
    auto found = worker.pods.find(id);
    if (found == worker.pods.end()) return;
    auto pod = found->second;
    call(*pod);
  });
}

void Engine::decide(PodId pod, ConnectionId id, Decision decision) {
  auto shared = std::make_shared<Decision>(std::move(decision));
  with_pod(pod, [id, shared](Pod& found) { found.decide(id, std::move(*shared)); });
}

void Engine::give_credential(PodId pod, ConnectionId id, std::shared_ptr<const TlsCredential> credential) {
  with_pod(pod, [id, credential](Pod& found) { found.give_credential(id, credential); });
}

void Engine::cut(PodId pod, ConnectionId id) {
  with_pod(pod, [id](Pod& found) { found.cut(id); });
}

void Engine::refuse_connections(PodId pod) {
  auto found = listeners_.find(pod);
  if (found == listeners_.end()) return;
  for (const auto& fd : found->second) stop_listening(fd->get());
  listeners_.erase(found);
}

void Engine::drain(PodId pod) {
  refuse_connections(pod);
  with_pod(pod, [](Pod& found) { found.drain(); });
}

void Engine::drain_deadline(PodId pod) {
  with_pod(pod, [](Pod& found) { found.drain_deadline(); });
}

void Engine::close(PodId pod) {
  refuse_connections(pod);
  with_pod(pod, [](Pod& found) { found.close(); });
}

void Engine::flush() {
  for (auto& worker : workers_) {
    if (std::exchange(worker->asked, false)) worker->loop.wake();
  }
}

void Engine::emit(Event event) {
  bool first;
  {
    std::lock_guard lock(mutex_);
    first = events_.empty();
    events_.push_back(std::move(event));
  }
  if (first) notify_();
}

std::vector<Event> Engine::take_events() {
  std::lock_guard lock(mutex_);
  return std::exchange(events_, {});
}

}  // namespace culvert
