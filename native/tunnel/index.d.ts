/**
 * The tunnel engine: sockets, TLS and HTTP/2 on threads of its own. Everything that crosses is a value; connections are
 * named by id. What the values mean is said where they are decided: packages/tunnel/src/data-path.ts.
 */
export const Engine: new (
  /** Data threads in use from the start, and how many more may be taken while one does not suffice. */
  threads: number,
  most: number,
  limits: NativeLimits,
  events: NativeEvents
) => NativeEngine
/** Throws what OpenSSL says about the PEM texts. */
export function credential(
  certificateChain: string,
  privateKey: string,
  roots: string,
  trustDomain: string | undefined,
  tls12: boolean,
  postQuantumOnly: boolean
): NativeCredential
/** Of the headers that it was compiled with. */
export const opensslVersion: string

/** 0: none. */
export interface NativeLimits {
  readonly connections: number
  readonly streams: number
  readonly bufferedBytes: number
}

export interface Endpoint {
  readonly ip: string
  readonly port: number
}

export type FailureCode =
  | 'IO'
  | 'TUNNEL_CONNECT_TIMEOUT'
  | 'HTTP2_HANDSHAKE'
  | 'HTTP2'
  | 'STATUS'
  | 'TLS'
  | 'CONNECTION_FAILED'
  | 'SEND'
  | 'RECEIVE'
  | 'SHUTDOWN'
  | 'REVOKED'
  | 'CUT'
  | 'DRAINED'

export type ListenerRole = 'outbound' | 'inbound-plaintext' | 'inbound-hbone' | 'socks5'
export type ConnectionId = number
export type PodId = number

declare const kind: unique symbol
/** A parsed credential. */
export interface NativeCredential {
  readonly [kind]: 'credential'
}

export interface NativeEngine {
  /** Throws with the text of the log when an address cannot be bound. */
  open: (settings: NativePodSettings) => {
    readonly pod: PodId
    readonly listeners: readonly Endpoint[]
    readonly originalSource: boolean
  }
  /** A decision; who had none yet gets one of these. */
  refuse: (pod: PodId, id: ConnectionId, ...failure: [] | [code: FailureCode, detail: string]) => void
  /** With the code of the reply, RFC 1928 section 6; every other decision is a success to a SOCKS5 client. */
  refuseSocks5: (pod: PodId, id: ConnectionId, reply: number) => void
  answer: (pod: PodId, id: ConnectionId, status: number) => void
  direct: (
    pod: PodId,
    id: ConnectionId,
    toIp: string,
    toPort: number,
    /** Empty: the kernel chooses. */
    from: string,
    preface: Uint8Array | undefined,
    ...responseHeaders: Counted
  ) => void
  /** After the port the values of the outer hop, then those of the inner if there is one. */
  tunnel: (pod: PodId, id: ConnectionId, toIp: string, toPort: number, ...hops: readonly HopValue[]) => void
  giveCredential: (pod: PodId, id: ConnectionId, credential: NativeCredential | undefined) => void
  cut: (pod: PodId, id: ConnectionId) => void
  /** DER revocation lists; throws when one cannot be parsed. Before the first call nobody looks. */
  revoke: (lists: readonly Uint8Array[]) => void
  drain: (pod: PodId) => void
  drainDeadline: (pod: PodId) => void
  close: (pod: PodId) => void
  /** Hands what was asked for since the last call to the data threads, as one batch. */
  flush: () => void
  /** Connections and tunnels on each data thread in use. */
  loads: () => readonly number[]
  /** Gives memory that is free back to the system; takes milliseconds, in which data threads may wait. */
  trim: () => void
  /** Ends the threads; delivers what they still had to say. */
  stop: () => void
}

/** Durations in milliseconds. */
export interface NativePodSettings {
  /** A descriptor, used within the call; -1: the process's own. */
  readonly netns: number
  readonly listeners: readonly { readonly role: ListenerRole; readonly ip: string; readonly port: number }[]
  /** Default 60 s; 0 for none. */
  readonly halfFailedTimeout?: number | undefined
  readonly sockets: {
    readonly mark: number
    readonly listenerMark: number
    readonly reusePort: boolean
    readonly originalSource: 'auto' | 'require' | 'never'
    readonly keepalive: { readonly idle: number; readonly interval: number; readonly retries: number } | undefined
    readonly userTimeout: boolean
    readonly tunnelCongestionControl?: string | undefined
    readonly connectTimeout: number
    readonly handshakeTimeout: number
  }
  readonly http2: { readonly streamWindow: number; readonly connectionWindow: number; readonly maxFrameSize: number }
  /** Whether the engine seals and opens records itself, and after how many of them it changes its key. */
  readonly tls: { readonly ownRecords: boolean; readonly recordsPerKey: number }
  readonly pool: { readonly maxStreamsPerTunnel: number; readonly unusedRelease: number; readonly maxTunnels: number }
}

/** How many follow, then these: texts, or names each with its value. */
export type Counted = readonly [count: number, ...texts: readonly string[]]

/** Of one hop: authority, credential, identity, applicationIp, its expected identities and its headers as `Counted`. */
export type HopValue = string | number | NativeCredential

/**
 * What the engine says; all that is new at once, then promises have their turn. Plain values: objects are costly to make
 * from the other side. Addresses are text and port.
 */
export interface NativeEvents {
  readonly connection: (
    pod: PodId,
    id: ConnectionId,
    role: 'outbound' | 'inbound-plaintext',
    sourceIp: string,
    sourcePort: number,
    destinationIp: string,
    destinationPort: number
  ) => void
  readonly stream: (
    pod: PodId,
    id: ConnectionId,
    sourceIp: string,
    sourcePort: number,
    localIp: string,
    localPort: number,
    peerIdentity: string | undefined,
    method: string,
    authority: string | undefined,
    /** Names, each with its value. */
    ...headers: readonly string[]
  ) => void
  readonly credential: (
    pod: PodId,
    id: ConnectionId,
    peerIp: string,
    peerPort: number,
    localIp: string,
    localPort: number
  ) => void
  readonly handshakeFailed: (
    pod: PodId,
    peerIp: string,
    peerPort: number,
    localIp: string,
    localPort: number,
    message: string
  ) => void
  /** Accepted sockets: once in a batch for a pod and role. */
  readonly sockets: (pod: PodId, role: ListenerRole, opened: number, closed: number) => void
  readonly opened: (
    pod: PodId,
    id: ConnectionId,
    peerIdentity: string | undefined,
    ...baggage: readonly string[]
  ) => void
  readonly progress: (pod: PodId, id: ConnectionId, fromClient: number, toClient: number) => void
  /** Bytes in all, and those since the last `progress`; duration in milliseconds. */
  readonly closed: (
    pod: PodId,
    id: ConnectionId,
    fromClient: number,
    toClient: number,
    untoldFromClient: number,
    untoldToClient: number,
    duration: number,
    code?: FailureCode,
    detail?: string,
    status?: number
  ) => void
  readonly ended: (pod: PodId, finished: number, cut: number) => void
  readonly warning: (pod: PodId, message: string) => void
  readonly socks5: (
    pod: PodId,
    id: ConnectionId,
    sourceIp: string,
    sourcePort: number,
    /** An address, or a name as it came, one character per byte. */
    host: string,
    port: number,
    isName: boolean
  ) => void
  /** Once for a tunnel. */
  readonly peerRevoked: (pod: PodId, isServer: boolean) => void
}
