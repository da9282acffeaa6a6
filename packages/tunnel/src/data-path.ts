import type { Netns } from '@culvert/netns'

/**
 * The interface between the node proxy and what moves its bytes. Decisions go in as values, outcomes come out as
 * values; an implementation decides nothing. The bytes' rules are those of docs/spec/hbone.md sections 1, 6, 7, 8.
 */

/** An IP address in canonical text (IPv4-mapped IPv6 already unmapped) and a TCP port. */
export interface Endpoint {
  readonly ip: string
  readonly port: number
}

export type HeaderField = readonly [name: string, value: string]

/** Names one connection or stream across the interface; never reused by one data path. */
export type ConnectionId = number

/** A certificate with its key and the roots that came with it, all PEM. `id` changes with every renewal. */
export interface Credential {
  readonly id: string
  /** Leaf first, then intermediates. */
  readonly certificateChain: string
  readonly privateKey: string
  readonly roots: string
  /** Trust domain of the leaf; undefined when the leaf names no SPIFFE id: then the peer's is not checked. */
  readonly trustDomain: string | undefined
}

export interface DataPath {
  /** Binds every listener of one pod, or fails as a whole with a TunnelError naming the address. */
  open: (options: PodOptions, handler: PodHandler) => Promise<PodPath>
  /** Cuts everything that is left and frees the engine. */
  close: () => Promise<void>
}

export type ListenerRole = 'outbound' | 'inbound-plaintext' | 'inbound-hbone' | 'socks5'

export interface PodOptions {
  /** Where sockets are made; undefined: the process's own namespace. */
  readonly netns: Netns | undefined
  readonly listeners: readonly { readonly role: ListenerRole; readonly ip: string; readonly port: number }[]
  readonly sockets: SocketSettings
  readonly http2: Http2Settings
  readonly pool: PoolSettings
  /**
   * How long a stream stands whose application is gone while the direction from that application passes nothing on,
   * before it is reset with CANCEL: where both applications are gone, both ends wait for the other's credit. Default
   * 60 s; 0 for ever.
   */
  readonly halfFailedTimeout?: number | undefined
}

/** docs/spec/zds.md 4.3. Durations in milliseconds. */
export interface SocketSettings {
  /** SO_MARK of every connection that is made; 0 for none. */
  readonly mark: number
  /** SO_MARK of listeners, which accepted connections inherit; a dedicated proxy has none (docs/spec/zds.md 5.3). */
  readonly listenerMark: number
  readonly reusePort: boolean
  /** Take the client's address towards the application: 'auto' tries, 'require' fails the open, 'never' does not. */
  readonly originalSource: 'auto' | 'require' | 'never'
  readonly keepalive: { readonly idle: number; readonly interval: number; readonly retries: number } | undefined
  readonly userTimeout: boolean
  /** Of the TCP connections under tunnels, by its name in the kernel; undefined or refused: the kernel's choice. */
  readonly tunnelCongestionControl?: string | undefined
  readonly connectTimeout: number
  /** CULVERT_HANDSHAKE_TIMEOUT; 0 for none. */
  readonly handshakeTimeout: number
}

export interface Http2Settings {
  readonly streamWindow: number
  readonly connectionWindow: number
  readonly maxFrameSize: number
}

export interface PoolSettings {
  readonly maxStreamsPerTunnel: number
  readonly unusedRelease: number
  /** Tunnels kept for further streams; the one that was used longest ago goes first. Default 500. */
  readonly maxTunnels?: number
}

/** One pod's listeners and connections. */
export interface PodPath {
  /** The bound addresses, in the order of `PodOptions.listeners` (ports chosen by the kernel filled in). */
  readonly listeners: readonly Endpoint[]
  /** Whether the inbound listeners can take the client's address. */
  readonly originalSource: boolean
  /**
   * Ends a live connection: a stream is reset with CANCEL (its tunnel stays), plain sockets are closed.
   * Its outcome carries the failure CUT. Unknown or finished ids are ignored.
   */
  cut: (id: ConnectionId) => void
  /** Listeners close at once, tunnels say GOAWAY, connections go on until they end or `deadline` aborts. */
  drain: (options: { readonly deadline: AbortSignal }) => Promise<{ readonly finished: number; readonly cut: number }>
  /** Cuts everything at once; outcomes carry DRAINED. */
  close: () => Promise<void>
}

export interface SocketsChange {
  readonly role: ListenerRole
  readonly opened: number
  readonly closed: number
}

/** What the proxy answers. Every call may answer at once or later; a connection may be gone by then. */
export interface PodHandler {
  /** A connection was accepted on the outbound or the inbound plaintext listener. */
  connection: (connection: CapturedConnection) => ConnectionDecision | Promise<ConnectionDecision>
  /** A SOCKS5 client has said where to; any decision but a refusal with a reply is a success to it, told before anything is dialled. */
  socks5: (request: Socks5Request) => ConnectionDecision | Promise<ConnectionDecision>
  /** A CONNECT (or anything else that opened a stream) arrived on the HBONE listener. */
  stream: (stream: InboundStream) => StreamDecision | Promise<StreamDecision>
  /** The certificate for a TLS handshake on the HBONE listener; undefined closes the connection without TLS. */
  serverCredential: (peer: Endpoint, local: Endpoint) => Promise<Credential | undefined>
  /** A TLS or HTTP/2 handshake on the HBONE listener failed: `message` is the whole text for the log (`tls handshake error: …`). */
  handshakeFailed: (failure: { readonly peer: Endpoint; readonly local: Endpoint; readonly message: string }) => void
  /** For each tunnel with a revoked peer: its handshake failed for that, or a change of the lists ends it. */
  peerRevoked: (peer: 'client' | 'server') => void
  /** Accepted sockets, one per TLS connection however many streams (`istio_tcp_sockets_open`). */
  sockets: (change: SocketsChange) => void
  /** The way to the other side stands; for tunnels with what the peer said. */
  opened: (connection: Opened) => void
  /** Bytes copied since the last call, in batches, while connections live. */
  progress: (batch: readonly Progress[]) => void
  /** Once for every connection and stream that got a decision, refused ones too, after its last `progress`. */
  closed: (outcome: Outcome) => void
}

export interface CapturedConnection {
  readonly id: ConnectionId
  readonly role: 'outbound' | 'inbound-plaintext'
  readonly source: Endpoint
  /** SO_ORIGINAL_DST, else the local address. */
  readonly destination: Endpoint
}

/** The request of a SOCKS5 client (RFC 1928, CONNECT without authentication; docs/spec/hbone.md 5). */
export interface Socks5Request {
  readonly id: ConnectionId
  readonly source: Endpoint
  readonly target: { readonly ip: string } | { readonly name: Uint8Array }
  readonly port: number
}

export interface InboundStream {
  readonly id: ConnectionId
  /** The peer of the tunnel's TCP connection. */
  readonly source: Endpoint
  /** Its local address: the pod's own, port 15008. */
  readonly local: Endpoint
  /** First URI SAN of the peer's leaf that parses as a SPIFFE id. */
  readonly peerIdentity: string | undefined
  readonly method: string
  readonly authority: string | undefined
  /** Regular header lines in order, names in lower case. */
  readonly headers: readonly HeaderField[]
}

/** Closes the accepted socket (RST if it had unread data); nothing is dialled. */
export interface Refuse {
  readonly kind: 'refuse'
  /** To a SOCKS5 client, RFC 1928 section 6; without it the client is told of a success first. */
  readonly socks5Reply?: number
}

/** Ends a stream with this status, END_STREAM and no body, then RST_STREAM NO_ERROR. */
export interface Answer {
  readonly kind: 'answer'
  readonly status: number
}

/** Plain TCP to `to`. For a stream: 200 with `responseHeaders` once the connection is established, 503 if it fails. */
export interface Direct {
  readonly kind: 'direct'
  readonly to: Endpoint
  /** Take this address as our own when original source is possible and it differs from `to.ip`. */
  readonly from?: string
  /** Written before any payload (PROXY protocol). */
  readonly preface?: Uint8Array
  readonly responseHeaders?: readonly HeaderField[]
}

/** A CONNECT stream inside mutual TLS; with `inner`, a second one inside that stream (double HBONE, never pooled). */
export interface Tunnel {
  readonly kind: 'tunnel'
  readonly to: Endpoint
  readonly outer: Hop
  readonly inner?: Hop
}

export interface Hop {
  readonly authority: string
  /** Regular header lines of the CONNECT, in order. */
  readonly headers: readonly HeaderField[]
  readonly credential: Credential
  /** SPIFFE ids of which the server's leaf must hold one; an empty list never matches. */
  readonly expectedIdentities: readonly string[]
  /** Our identity and the application's address: with `to` and the expected identities the pool's key (hbone 6). */
  readonly identity: string
  readonly applicationIp: string
}

export type ConnectionDecision = Refuse | Direct | Tunnel
export type StreamDecision = Answer | Direct

export interface Opened {
  readonly id: ConnectionId
  /** Identity in the peer's leaf (the inner one for double HBONE). */
  readonly peerIdentity?: string
  /** `baggage` lines of the 200 (the inner one for double HBONE). */
  readonly baggage?: readonly string[]
}

/** Bytes from and to the client: the side that opened the connection, on both reporters (hbone 8). */
export interface Progress {
  readonly id: ConnectionId
  readonly fromClient: number
  readonly toClient: number
}

export interface Outcome {
  readonly id: ConnectionId
  readonly fromClient: number
  readonly toClient: number
  /** Milliseconds from accept to the end of both directions. */
  readonly duration: number
  readonly failure?: Failure
}

/** Every way a decided connection can fail; hbone 9 gives each its text and its flag. */
export type FailureCode =
  /** Outbound dial or the TLS handshake of a tunnel: `io error: …`. */
  | 'IO'
  /** Outbound dial of a tunnel took too long. */
  | 'TUNNEL_CONNECT_TIMEOUT'
  | 'HTTP2_HANDSHAKE'
  /** Reset or lost before the answer. */
  | 'HTTP2'
  /** The peer answered with another status than 200; `status` is set. */
  | 'STATUS'
  /** The local TLS configuration cannot be used. */
  | 'TLS'
  /** Inbound connection to the application failed. */
  | 'CONNECTION_FAILED'
  | 'SEND'
  | 'RECEIVE'
  | 'SHUTDOWN'
  | 'REVOKED'
  | 'CUT'
  | 'DRAINED'

export interface Failure {
  readonly code: FailureCode
  /** Detail after the colon in the access log, e.g. `Connection refused (os error 111)`. */
  readonly detail: string
  readonly status?: number
}
