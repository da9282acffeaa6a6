#include "engine.h"

#include <fcntl.h>

#include <cerrno>
#include <utility>

namespace culvert {

Engine::Engine(unsigned threads, unsigned most, Limits limits, std::function<void()> notify)
    : load_(limits), notify_(std::move(notify)), workers_(threads, most, load_) {}

Engine::~Engine() { stop(); }

void Engine::stop() { workers_.stop(); }

OpenedPod Engine::open(PodSettings settings) {
  PodId id = ++last_pod_;
  OwnedFd netns(settings.netns < 0 ? -1 : fcntl(settings.netns, F_DUPFD_CLOEXEC, 0));
  // Without it the pod would connect from our own namespace.
  if (settings.netns >= 0 && netns.get() < 0) throw BindFailure{settings.listeners.empty() ? Endpoint{} : settings.listeners[0].at, errno};
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
  // Not make_shared: clang before 16 initializes no aggregate in parentheses.
  std::shared_ptr<PodShared> shared(new PodShared{id, std::move(settings), std::move(netns), opened.original_source, load_,
                                                  workers_, [this](Event event) { emit(std::move(event)); },
                                                  {workers_.count()}});
  for (unsigned i = 0; i < workers_.count(); i++) workers_.add(i, id, std::make_shared<Pod>(i, shared));
  // std::function wants what can be copied.
  auto listeners = std::make_shared<std::vector<BoundListener>>(std::move(bound));
  auto home = static_cast<unsigned>(id % workers_.loads().size());
  workers_.ask(home, id, [listeners](Pod& pod) { pod.listen(std::move(*listeners)); });
  for (auto& warning : warnings) emit(Event{id, Warned{warning}});
  return opened;
}

// The thread that a connection began on knows where it went.
void Engine::decide(PodId pod, ConnectionId id, Decision decision) {
  auto shared = std::make_shared<Decision>(std::move(decision));
  workers_.ask(Workers::worker_of(id), pod, [id, shared](Pod& found) { found.decide(id, std::move(*shared)); });
}

void Engine::give_credential(PodId pod, ConnectionId id, std::shared_ptr<const TlsCredential> credential) {
  workers_.ask(Workers::worker_of(id), pod, [id, credential](Pod& found) { found.give_credential(id, credential); });
}

void Engine::cut(PodId pod, ConnectionId id) {
  workers_.ask(Workers::worker_of(id), pod, [id](Pod& found) { found.cut(id); });
}

void Engine::refuse_connections(PodId pod) {
  auto found = listeners_.find(pod);
  if (found == listeners_.end()) return;
  for (const auto& fd : found->second) stop_listening(fd->get());
  listeners_.erase(found);
}

void Engine::on_every_thread(PodId pod, void (Pod::*call)()) {
  for (unsigned i = 0; i < workers_.count(); i++) {
    workers_.ask(i, pod, [call](Pod& found) { (found.*call)(); });
  }
}

void Engine::drain(PodId pod) {
  refuse_connections(pod);
  on_every_thread(pod, &Pod::drain);
}

void Engine::drain_deadline(PodId pod) { on_every_thread(pod, &Pod::drain_deadline); }

void Engine::close(PodId pod) {
  refuse_connections(pod);
  on_every_thread(pod, &Pod::close);
}

void Engine::flush() { workers_.flush(); }

void Engine::emit(Event event) {
  bool first;
  {
    std::lock_guard lock(mutex_);
    first = events_.empty();
    if (auto* sockets = std::get_if<SocketsChanged>(&event.what)) {
      auto [known, added] = sockets_.try_emplace({event.pod, sockets->role}, events_.size());
      if (!added) {
        auto& before = std::get<SocketsChanged>(events_[known->second].what);
        before.opened += sockets->opened;
        before.closed += sockets->closed;
        return;
      }
    }
    events_.push_back(std::move(event));
  }
  if (first) notify_();
}

std::vector<Event> Engine::take_events() {
  std::lock_guard lock(mutex_);
  sockets_.clear();
  return std::exchange(events_, {});
}

}  // namespace culvert
