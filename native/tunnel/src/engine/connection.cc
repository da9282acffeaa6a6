#include "connection.h"

#include "pod.h"
#include "stream-transport.h"

namespace culvert {

Connection::Connection(std::shared_ptr<Pod> pod, ConnectionId id, ListenerRole role, double accepted_at,
                       std::unique_ptr<Side> client)
    : pod_(std::move(pod)), id_(id), role_(role), accepted_at_(accepted_at), client_(std::move(client)),
      send_(Direction::Name::send, [this] { direction_done(); }),
      receive_(Direction::Name::receive, [this] { direction_done(); }) {}

void Connection::watch_client_stream() {
  client_stream().on_gone = [this](const std::string&) {
    finish(Failure{FailureCode::connection_failed, "the stream was reset before its answer"});
  };
}

void Connection::decide(Decision decision) {
  if (state_ != State::deciding) return;
  if (auto* refuse = std::get_if<Refuse>(&decision)) return finish(std::move(refuse->failure));
  if (auto* status = std::get_if<Answer>(&decision)) {
    if (is_stream()) answer(status->status);
    return finish(std::nullopt);
  }
  if (auto* direct = std::get_if<Direct>(&decision)) return connect(std::move(*direct));
  through_ = std::make_unique<ThroughTunnel>(std::move(std::get<ThroughTunnel>(decision)));
  tunnelled_ = true;
  state_ = State::waiting_for_tunnel;
  pod_->pool().check_out(shared_from_this());
}

// A status alone, and the request's data was not read and is not wanted.
void Connection::answer(int status) {
  auto& stream = client_stream();
  auto& session = stream.tunnel().session();
  session.respond(*stream.stream(), status, {}, true);
  session.reset(*stream.stream(), Http2Error::no_error);
}

void Connection::connect(Direct direct) {
  state_ = State::connecting;
  direct_ = std::make_unique<Direct>(std::move(direct));
  // A pod that calls itself keeps its own address: the kernel refuses to bind it twice.
  ForeignSource source;
  if (pod_->original_source() && direct_->from != direct_->to.ip) {
    source = {direct_->from, role_ == ListenerRole::inbound_plaintext};
  }
  const SocketSettings& sockets = pod_->settings().sockets;
  try {
    std::optional<std::string> warning;
    // What comes in goes to an application of the pod.
    Leg leg = is_outbound(role_) ? Leg::open : Leg::local;
    OwnedFd fd = start_connect(pod_->netns(), sockets, leg, direct_->to, source, warning);
    if (warning) pod_->emit(Warned{*warning});
    dial_ = Dial::start(pod_->loop(), std::move(fd), sockets.connect_timeout,
                        [this](OwnedFd connected_fd, int error, bool deadline) {
                          dial_.reset();
                          if (error == 0) connected(std::move(connected_fd));
                          else connect_failed(deadline ? kDeadline : os_error(error));
                        });
  } catch (const SocketError& failure) {
    connect_failed(os_error(failure.error));
  }
}

void Connection::connect_failed(const std::string& detail) {
  if (is_stream()) answer(503);
  finish(Failure{is_outbound(role_) ? FailureCode::io : FailureCode::connection_failed, detail});
}

void Connection::connected(OwnedFd fd) {
  auto side = std::make_unique<TcpSide>(pod_->loop(), std::move(fd), nullptr);
  TcpSide& application = *side;
  server_ = std::move(side);
  if (!application.write_preface(direct_->preface)) return connect_failed("the application took no PROXY header");
  if (is_stream()) {
    auto& stream = client_stream();
    stream.tunnel().session().respond(*stream.stream(), 200, direct_->response_headers, false);
  }
  join({id_, {}, {}});
  if (state_ == State::joined) application.start(true);
}

std::unique_ptr<StreamSide> Connection::ask(const std::shared_ptr<Tunnel>& tunnel, const Hop& hop, bool outermost) {
  auto side = std::make_unique<StreamSide>(tunnel, hop.authority, hop.headers);
  side->on_answer = [this, outermost](int status, std::vector<HeaderField> headers) {
    on_answer(status, std::move(headers), outermost);
  };
  side->on_gone = [this, outermost](std::string reason) {
    if (outermost && !asked_again_ && outer_->stream()->left_out) return ask_again();
    finish(Failure{FailureCode::http2, std::move(reason)});
  };
  return side;
}

void Connection::on_tunnel(const std::shared_ptr<Tunnel>& tunnel) {
  state_ = State::requesting;
  outer_ = ask(tunnel, through_->outer, true);
}

// Once, through another tunnel: a GOAWAY that crossed the request is no answer of the destination's, and nothing was read
// from the client yet. A stream that was refused by itself stays so (docs/spec/hbone.md 6).
void Connection::ask_again() {
  asked_again_ = true;
  state_ = State::waiting_for_tunnel;
  // It is being told.
  pod_->loop().retire(std::shared_ptr<StreamSide>(std::move(outer_)));
  pod_->pool().check_out(shared_from_this());
}

void Connection::on_no_tunnel(Failure failure) { finish(std::move(failure)); }

void Connection::on_answer(int status, std::vector<HeaderField> headers, bool outermost) {
  if (state_ != State::requesting) return;
  if (status != 200) return finish(Failure{FailureCode::status, std::to_string(status), status});
  if (outermost && through_->inner) {
    const Hop& hop = *through_->inner;
    inner_ = std::make_shared<Tunnel>(
        pod_->loop(),
        Tunnel::Options{Http2Session::Role::client, hop.credential, hop.expected_identities, pod_->settings().http2,
                        pod_->settings().tls, pod_->settings().sockets.handshake_timeout, 1},
        this);
    inner_->start(std::make_unique<StreamTransport>(outer_->tunnel_ptr(), outer_->stream(), *inner_));
    return;
  }
  if (outermost) server_ = std::move(outer_);
  auto& stream = static_cast<StreamSide&>(*server_);
  ConnectionOpened opened{id_, stream.tunnel().peer_identity(), {}};
  for (auto& [name, value] : headers) {
    if (name == "baggage") opened.baggage.push_back(std::move(value));
  }
  join(std::move(opened));
}

void Connection::on_tunnel_open(Tunnel& tunnel) { server_ = ask(tunnel.shared_from_this(), *through_->inner, false); }

void Connection::on_tunnel_failed(Tunnel& tunnel, Failure failure) {
  pod_->tell_if_revoked(tunnel);
  finish(std::move(failure));
}

void Connection::on_tunnel_request(Tunnel& tunnel, std::shared_ptr<Http2Stream> stream, Http2Request) {
  tunnel.session().reset(*stream, Http2Error::refused_stream);
}

void Connection::join(ConnectionOpened opened) {
  auto self = shared_from_this();
  state_ = State::joined;
  // A thousand connections at rest should not remember what they asked for.
  direct_.reset();
  through_.reset();
  pod_->emit(std::move(opened));
  send_.connect(*client_, *server_);
  receive_.connect(*server_, *client_);
  if (is_stream()) return client_stream().start();
  try {
    static_cast<TcpSide&>(*client_).start(false);
  } catch (const SocketError& failure) {
    finish(Failure{FailureCode::io, os_error(failure.error)});
  }
}

void Connection::direction_done() {
  if (send_.phase() != Direction::Phase::done || receive_.phase() != Direction::Phase::done) return watch_half_failed();
  finish(send_.failure() ? send_.failure() : receive_.failure());
}

// An application that is gone takes nothing, so its stream's peer gets no more credit before both directions have ended
// (docs/spec/hbone.md 1.6). The other direction is to end soon, with what the application had sent before it went. But
// where the application at the other end went too, that waits for credit which, by the same rule, never comes: both ends
// would stand for ever. So the direction that is left fails when it has passed on nothing for a while, and then the
// stream is reset with CANCEL. Only the last bytes of an application that is gone are lost by it, to one that has not
// read for as long.
void Connection::watch_half_failed() {
  const Direction& failed = send_.phase() == Direction::Phase::done ? send_ : receive_;
  Direction& left = &failed == &send_ ? receive_ : send_;
  if (!failed.withholds_credit() || pod_->settings().half_failed_timeout == 0) return;
  half_failed_bytes_ = left.bytes;
  half_failed_ = std::make_unique<Timer>(pod_->loop(), [this, &left] {
    if (left.bytes == half_failed_bytes_) return left.fail_data();
    half_failed_bytes_ = left.bytes;
    half_failed_->start(pod_->settings().half_failed_timeout);
  });
  half_failed_->start(pod_->settings().half_failed_timeout);
}

bool Connection::revoked() const {
  if (is_stream() && static_cast<StreamSide&>(*client_).tunnel().revoked()) return true;
  if (inner_ != nullptr && inner_->revoked()) return true;
  if (outer_ != nullptr) return outer_->tunnel().revoked();
  return tunnelled_ && server_ != nullptr && static_cast<StreamSide&>(*server_).tunnel().revoked();
}

void Connection::cut(FailureCode code) { finish(Failure{code, ""}); }

void Connection::tell_progress() {
  uint64_t from_client = send_.untold(), to_client = receive_.untold();
  if (from_client == 0 && to_client == 0) return;
  send_.told = send_.bytes;
  receive_.told = receive_.bytes;
  pod_->emit(ConnectionProgressed{id_, from_client, to_client});
}

void Connection::finish(std::optional<Failure> failure) {
  if (state_ == State::finished) return;
  auto self = shared_from_this();
  bool was_waiting = state_ == State::waiting_for_tunnel;
  state_ = State::finished;
  if (was_waiting) pod_->pool().leave(this);
  if (dial_ != nullptr) std::exchange(dial_, nullptr)->cancel();
  if (half_failed_ != nullptr) half_failed_->stop();
  send_.stop();
  receive_.stop();
  client_->abandon();
  if (server_ != nullptr) server_->abandon();
  if (inner_ != nullptr) {
    inner_->forget_owner();
    // Sent in full when it ended well: its last bytes may still wait for the outer stream's window.
    if (failure) inner_->destroy();
    else inner_->release();
  } else if (outer_ != nullptr) {
    outer_->abandon();
  }
  pod_->emit(ConnectionClosed{id_, send_.bytes, receive_.bytes, send_.untold(), receive_.untold(),
                              precise_now() - accepted_at_, std::move(failure)});
  pod_->loop().retire(self);
  pod_->forget(id_, role_);
}

}  // namespace culvert
