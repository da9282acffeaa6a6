/**
 * The tunnel engine: sockets, TLS and HTTP/2 on threads of its own. Everything that crosses is a value; connections are
 * named by id. What the values mean is said where they are decided: packages/tunnel/src/data-path.ts.
 */
export const Engine: new (
  /** Data threads in use from the start, and how many more may be taken while one does not suffice. */
  threads: number,
  most: number,
  limits: NativeLimits,
  onEvents: (events: readonly NativeEvent[]) => void
) => NativeEngine
/** Throws what OpenSSL says about the PEM texts. */
export function credential(
  certificateChain: string,
  privateKey: string,
  roots: string,
  trustDomain: string | undefined
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

export interface Failure {
  readonly code: FailureCode
  readonly detail: string
  readonly status?: number
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

export type HeaderField = readonly [name: string, value: string]
export type ListenerRole = 'outbound' | 'inbound-plaintext' | 'inbound-hbone'
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
  decide: (pod: PodId, id: ConnectionId, decision: NativeDecision) => void
  giveCredential: (pod: PodId, id: ConnectionId, credential: NativeCredential | undefined) => void
  cut: (pod: PodId, id: ConnectionId) => void
  drain: (pod: PodId) => void
  drainDeadline: (pod: PodId) => void
  close: (pod: PodId) => void
  /** Hands what was asked for since the last call to the data threads, as one batch. */
  flush: () => void
  /** Connections and tunnels on each data thread in use. */
  loads: () => readonly number[]
  /** Ends the threads; delivers what they still had to say. */
  stop: () => void
}

/** Durations in milliseconds. */
export interface NativePodSettings {
  /** A descriptor, used within the call; -1: the process's own. */
  readonly netns: number
  readonly listeners: readonly { readonly role: ListenerRole; readonly ip: string; readonly port: number }[]
  readonly sockets: {
    readonly mark: number
    readonly listenerMark: number
    readonly reusePort: boolean
    readonly originalSource: 'auto' | 'require' | 'never'
    readonly keepalive: { readonly idle: number; readonly interval: number; readonly retries: number } | undefined
    readonly userTimeout: boolean
    readonly connectTimeout: number
    readonly handshakeTimeout: number
  }
  readonly http2: { readonly streamWindow: number; readonly connectionWindow: number; readonly maxFrameSize: number }
  readonly pool: { readonly maxStreamsPerTunnel: number; readonly unusedRelease: number }
}

export interface NativeHop {
  readonly authority: string
  readonly headers: readonly HeaderField[]
  readonly credential: NativeCredential
  readonly expectedIdentities: readonly string[]
  readonly identity: string
  readonly applicationIp: string
}

export type NativeDecision =
  | { readonly kind: 'refuse'; readonly failure?: Failure }
  | { readonly kind: 'answer'; readonly status: number }
  | {
      readonly kind: 'direct'
      readonly to: Endpoint
      readonly from?: string
      readonly preface?: Uint8Array
      readonly responseHeaders?: readonly HeaderField[]
    }
  | { readonly kind: 'tunnel'; readonly to: Endpoint; readonly outer: NativeHop; readonly inner?: NativeHop }

export type NativeEvent = { readonly pod: PodId } & (
  | {
      readonly kind: 'connection'
      readonly id: ConnectionId
      readonly role: 'outbound' | 'inbound-plaintext'
      readonly source: Endpoint
      readonly destination: Endpoint
    }
  | {
      readonly kind: 'stream'
      readonly id: ConnectionId
      readonly source: Endpoint
      readonly local: Endpoint
      readonly peerIdentity?: string
      readonly method: string
      readonly authority?: string
      readonly headers: readonly HeaderField[]
    }
  | { readonly kind: 'credential'; readonly id: ConnectionId; readonly peer: Endpoint; readonly local: Endpoint }
  | { readonly kind: 'handshake-failed'; readonly peer: Endpoint; readonly local: Endpoint; readonly message: string }
  | { readonly kind: 'socket'; readonly role: ListenerRole; readonly open: boolean }
  | {
      readonly kind: 'opened'
      readonly id: ConnectionId
      readonly peerIdentity?: string
      readonly baggage: readonly string[]
    }
  | { readonly kind: 'progress'; readonly id: ConnectionId; readonly fromClient: number; readonly toClient: number }
  | {
      readonly kind: 'closed'
      readonly id: ConnectionId
      readonly fromClient: number
      readonly toClient: number
      readonly duration: number
      readonly failure?: Failure
    }
  | { readonly kind: 'ended'; readonly finished: number; readonly cut: number }
  | { readonly kind: 'warning'; readonly message: string }
)
