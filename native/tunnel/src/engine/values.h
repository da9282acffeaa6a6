#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "endpoint.h"
#include "failure.h"

// What crosses between the decision thread and the data threads: values, and objects named by id, never by pointer.
namespace culvert {

class TlsCredential;

using HeaderField = std::pair<std::string, std::string>;
// Never reused by one engine, so an answer that comes too late finds nobody.
using ConnectionId = uint64_t;
using PodId = uint32_t;

enum class ListenerRole { outbound, inbound_plaintext, inbound_hbone, socks5 };

// Takes an application's connections to others.
constexpr bool is_outbound(ListenerRole role) { return role == ListenerRole::outbound || role == ListenerRole::socks5; }

enum class OriginalSource { automatic, require, never };

struct Keepalive {
  int idle, interval, retries;  // milliseconds
};

struct SocketSettings {
  uint32_t mark = 0;           // of connections that are made; 0 for none
  uint32_t listener_mark = 0;  // accepted connections inherit it
  bool reuse_port = false;
  OriginalSource original_source = OriginalSource::never;
  std::optional<Keepalive> keepalive;
  bool user_timeout = false;
  std::string tunnel_congestion_control;  // of the TCP connections under tunnels; empty: the kernel's choice
  int connect_timeout = 10000, handshake_timeout = 0;  // milliseconds
};

struct Http2Settings {
  uint32_t stream_window = 4194304, connection_window = 16777216, max_frame_size = 1048576;
};

struct TlsSettings {
  // After the handshake; else all of TLS is OpenSSL's.
  bool own_records = true;
  // Far below what AES-GCM bears (2^24.5, RFC 8446 5.5): 64 GiB of full records.
  uint64_t records_per_key = 1 << 22;
};

struct PoolSettings {
  uint32_t max_streams_per_tunnel = 100;
  int64_t unused_release = 300000;  // milliseconds
  uint32_t max_tunnels = 500;       // kept for another stream, for each pod and thread
};

struct ListenerAddress {
  ListenerRole role;
  Endpoint at;
};

struct PodSettings {
  int netns = -1;  // borrowed for the call of `open`
  // Of a connection whose one direction has failed while the other passes nothing on (`Connection::watch_half_failed`), in
  // milliseconds; 0: for ever.
  int64_t half_failed_timeout = 60000;
  std::vector<ListenerAddress> listeners;
  SocketSettings sockets;
  Http2Settings http2;
  TlsSettings tls;
  PoolSettings pool;
};

// Decisions.

struct Refuse {
  std::optional<Failure> failure;
  uint8_t socks5_reply = 0;  // to a SOCKS5 client
};

struct Answer {
  int status;
};

struct Direct {
  Endpoint to;
  std::string from;
  std::string preface;
  std::vector<HeaderField> response_headers;
};

struct Hop {
  std::string authority;
  std::vector<HeaderField> headers;
  std::shared_ptr<const TlsCredential> credential;
  std::vector<std::string> expected_identities;
  std::string identity, application_ip;
};

struct ThroughTunnel {
  Endpoint to;
  Hop outer;
  std::optional<Hop> inner;
};

using Decision = std::variant<Refuse, Answer, Direct, ThroughTunnel>;

// Events.

struct ConnectionAccepted {
  ConnectionId id;
  ListenerRole role;
  Endpoint source, destination;
};

struct Socks5Requested {
  ConnectionId id;
  Endpoint source;
  std::string host;  // a canonical address, or a name as it came: any bytes
  bool is_name;
  uint16_t port;
};

struct StreamRequested {
  ConnectionId id;
  Endpoint source, local;
  std::string peer_identity;  // empty: none
  std::string method;
  std::optional<std::string> authority;
  std::vector<HeaderField> headers;
};

struct CredentialWanted {
  ConnectionId id;
  Endpoint peer, local;
};

struct HandshakeFailed {
  Endpoint peer, local;
  std::string message;
};

// Told once of each tunnel whose peer is on a revocation list: its handshake failed for that, or a change of the lists
// ends it.
struct PeerRevoked {
  bool is_server;
};

// Accepted sockets. One event for all of a batch, since nobody asks in which order.
struct SocketsChanged {
  ListenerRole role;
  uint32_t opened, closed;
};

struct ConnectionOpened {
  ConnectionId id;
  std::string peer_identity;
  std::vector<std::string> baggage;
};

struct ConnectionProgressed {
  ConnectionId id;
  uint64_t from_client, to_client;
};

struct ConnectionClosed {
  ConnectionId id;
  uint64_t from_client, to_client;
  uint64_t untold_from_client, untold_to_client;  // of these, since the last progress
  double duration;  // milliseconds
  std::optional<Failure> failure;
};

struct PodEnded {
  uint32_t finished, cut;
};

struct Warned {
  std::string message;
};

struct Event {
  PodId pod;
  std::variant<ConnectionAccepted, StreamRequested, CredentialWanted, HandshakeFailed, SocketsChanged, ConnectionOpened,
               ConnectionProgressed, ConnectionClosed, PodEnded, Warned, Socks5Requested, PeerRevoked>
      what;
};

}  // namespace culvert
