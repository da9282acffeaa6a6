#include "test-engine.h"

#include <chrono>
#include <exception>
#include <future>

#include "test-clock.h"

namespace culvert::test {

namespace {

constexpr auto kPatience = std::chrono::seconds(60);

template <typename... Calls>
struct Overloaded : Calls... {
  using Calls::operator()...;
};
template <typename... Calls>
Overloaded(Calls...) -> Overloaded<Calls...>;

}  // namespace

TestEngine::TestEngine(unsigned threads, Limits limits)
    : engine_(std::make_unique<Engine>(threads, threads, limits,
                                       [this] {
                                         std::lock_guard lock(mutex_);
                                         notified_ = true;
                                         asked_.notify_one();
                                       })),
      thread_([this] { run(); }), exceptions_(std::uncaught_exceptions()) {}

TestEngine::~TestEngine() noexcept(false) {
  stop();
  for (auto& [id, closed] : known_) {
    if (!closed) broken_promises_.push_back("connection " + std::to_string(id) + " has no outcome");
  }
  for (auto& [id, heard] : heard_) {
    for (auto& [role, open] : heard.sockets_open) {
      if (open != 0) broken_promises_.push_back(std::to_string(open) + " sockets were never reported closed");
    }
  }
  if (broken_promises_.empty() || std::uncaught_exceptions() > exceptions_) return;
  throw Failed("the engine broke a promise: " + broken_promises_.front());
}

void TestEngine::stop() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    asked_.notify_one();
  }
  thread_.join();
}

OpenedPod TestEngine::open(PodSettings settings, Handler handler) {
  std::promise<OpenedPod> opened;
  ask([&](Engine& engine) {
    try {
      OpenedPod pod = engine.open(std::move(settings));
      handlers_[pod.id] = std::move(handler);
      opened.set_value(std::move(pod));
    } catch (...) {
      opened.set_exception(std::current_exception());
    }
  });
  return opened.get_future().get();
}

void TestEngine::ask(std::function<void(Engine&)> call) {
  std::lock_guard lock(mutex_);
  calls_.push_back(std::move(call));
  asked_.notify_one();
}

void TestEngine::skip(int64_t milliseconds) {
  put_clock_forward(milliseconds);
  // Of no pod: wakes every thread, and asks nothing of them.
  ask([](Engine& engine) { engine.drain_deadline(0); });
}

Heard TestEngine::heard(PodId pod) {
  std::lock_guard lock(mutex_);
  return heard_[pod];
}

Heard TestEngine::wait(PodId pod, const char* what, const std::function<bool(const Heard&)>& condition) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, kPatience, [&] { return condition(heard_[pod]); })) {
    const Heard& heard = heard_[pod];
    throw Failed(std::string("waited in vain for ") + what + "; " + std::to_string(heard.asked.size()) + " asked, " +
                 std::to_string(heard.opened.size()) + " opened, " + std::to_string(heard.closed.size()) + " closed");
  }
  return heard_[pod];
}

Heard TestEngine::wait_closed(PodId pod, size_t count) {
  return wait(pod, "outcomes", [count](const Heard& heard) { return heard.closed.size() >= count; });
}

void TestEngine::run() {
  for (bool last = false; !last;) {
    std::vector<std::function<void(Engine&)>> calls;
    {
      std::unique_lock lock(mutex_);
      asked_.wait(lock, [this] { return notified_ || stopping_ || !calls_.empty(); });
      notified_ = false;
      calls.swap(calls_);
      last = stopping_;
    }
    for (auto& call : calls) call(*engine_);
    for (auto& event : engine_->take_events()) handle(std::move(event));
    engine_->flush();
  }
  engine_->stop();
  for (auto& event : engine_->take_events()) handle(std::move(event));
}

void TestEngine::promise(bool kept, const char* what) {
  if (!kept) broken_promises_.emplace_back(what);
}

void TestEngine::handle(Event event) {
  PodId pod = event.pod;
  // An answer is computed without the lock: a test's handler may ask for more.
  const Handler& handler = handlers_[pod];
  std::visit(Overloaded{[&](const ConnectionAccepted& accepted) {
                          auto decision = handler.connection ? handler.connection(accepted) : Refuse{};
                          if (decision) engine_->decide(pod, accepted.id, std::move(*decision));
                        },
                        [&](const StreamRequested& requested) {
                          auto decision = handler.stream ? handler.stream(requested) : Answer{404};
                          if (decision) engine_->decide(pod, requested.id, std::move(*decision));
                        },
                        [&](const CredentialWanted& wanted) {
                          auto credential = handler.credential ? handler.credential(wanted) : nullptr;
                          if (credential) engine_->give_credential(pod, wanted.id, *credential);
                        },
                        [&](const Socks5Requested& requested) {
                          auto decision = handler.socks5 ? handler.socks5(requested) : Refuse{};
                          if (decision) engine_->decide(pod, requested.id, std::move(*decision));
                        },
                        [](const auto&) {}},
             event.what);
  std::lock_guard lock(mutex_);
  Heard& heard = heard_[pod];
  auto alive = [this](ConnectionId id) { return known_.contains(id) && !known_[id]; };
  promise(!heard.ended, "an event after the pod's end");
  std::visit(
      Overloaded{[&](ConnectionAccepted& accepted) {
                   promise(known_.emplace(accepted.id, false).second, "an id was used twice");
                   heard.asked.push_back(accepted.id);
                 },
                 [&](StreamRequested& requested) {
                   promise(known_.emplace(requested.id, false).second, "an id was used twice");
                   heard.asked.push_back(requested.id);
                   heard.streams.push_back(std::move(requested));
                 },
                 [&](Socks5Requested& requested) {
                   promise(known_.emplace(requested.id, false).second, "an id was used twice");
                   heard.asked.push_back(requested.id);
                 },
                 [&](CredentialWanted&) {},
                 [&](HandshakeFailed& failed) { heard.handshake_failures.push_back(std::move(failed.message)); },
                 [&](SocketsChanged& changed) {
                   auto opened = static_cast<int>(changed.opened), closed = static_cast<int>(changed.closed);
                   heard.sockets_opened[changed.role] += opened;
                   promise((heard.sockets_open[changed.role] += opened - closed) >= 0, "a socket closed twice");
                 },
                 [&](ConnectionOpened& opened) {
                   promise(alive(opened.id), "a dead connection opened");
                   heard.opened.push_back(std::move(opened));
                 },
                 [&](ConnectionProgressed& progressed) {
                   promise(alive(progressed.id), "a dead connection made progress");
                   heard.progress[progressed.id] += progressed.from_client + progressed.to_client;
                 },
                 [&](ConnectionClosed& closed) {
                   promise(alive(closed.id), "a dead connection closed");
                   heard.progress[closed.id] += closed.untold_from_client + closed.untold_to_client;
                   promise(heard.progress[closed.id] == closed.from_client + closed.to_client,
                           "the outcome's bytes are not those of its progress");
                   known_[closed.id] = true;
                   heard.closed.push_back(std::move(closed));
                 },
                 [&](PodEnded& ended) { heard.ended = ended; },
                 [&](Warned& warned) { heard.warnings.push_back(std::move(warned.message)); },
                 [&](PeerRevoked& revoked) { (revoked.is_server ? heard.revoked_servers : heard.revoked_clients)++; }},
      event.what);
  changed_.notify_all();
}

}  // namespace culvert::test
