import type http2 from 'node:http2'

export interface Http2Settings {
  /** Bytes a peer may send on one stream before the application has taken them. */
  readonly streamWindow: number
  /** The same for all streams of a tunnel together. */
  readonly connectionWindow: number
  readonly maxFrameSize: number
}

/** The connection window is four times the stream window so that one unread stream cannot starve the others. */
export const defaultHttp2Settings: Http2Settings = {
  streamWindow: 4_194_304,
  connectionWindow: 16_777_216,
  maxFrameSize: 1_048_576
}

/** Streams a client may have open on one tunnel of ours; one more is refused. */
export const MAX_CONCURRENT_STREAMS = 200

/** Bytes of a request's header list, as HTTP/2 counts them; a longer one is answered 431. */
export const MAX_HEADER_LIST_SIZE = 65_536

/** docs/spec/hbone.md 1.2. */
export function clientSettings(settings: Http2Settings): http2.Settings {
  return {
    enablePush: false,
    initialWindowSize: settings.streamWindow,
    maxFrameSize: settings.maxFrameSize,
    maxHeaderListSize: 16_384
  }
}

export function serverSettings(settings: Http2Settings): http2.Settings {
  return {
    maxConcurrentStreams: MAX_CONCURRENT_STREAMS,
    initialWindowSize: settings.streamWindow,
    maxFrameSize: settings.maxFrameSize,
    maxHeaderListSize: MAX_HEADER_LIST_SIZE
  }
}

/**
 * Node's own limits per session, raised where its defaults are below what the protocol allows. The memory counts frames
 * waiting to be sent (MB); the windows above bound what is received.
 */
export const sessionLimits: http2.ServerSessionOptions = {
  maxSessionMemory: 128,
  maxOutstandingPings: 4,
  // Streams refused over the limit before the peer has seen it; above this many the session is ended as abusive.
  maxSessionRejectedStreams: 1000,
  // An application that aborts its connections is answered with resets: Node's 33 a second would end the tunnel of all.
  streamResetBurst: 100_000,
  streamResetRate: 10_000,
  // As many lines as fit into MAX_HEADER_LIST_SIZE, where each counts 32 bytes besides its text.
  maxHeaderListPairs: MAX_HEADER_LIST_SIZE / 32
}
