import http2 from 'node:http2'
import type net from 'node:net'
import type { Duplex } from 'node:stream'
import { errorName } from './error-name.ts'

const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR, NGHTTP2_STREAM_CLOSED } = http2.constants

/** One end of a proxied connection, with the meaning of its ways to end (docs/spec/hbone.md 1.6). */
export interface Side {
  readonly duplex: Duplex
  /** Drops what is still open: a socket is closed, a stream is reset while its tunnel stays. */
  readonly abandon: () => void
  /** After it closed without an end of data: undefined if that counts as one, else what to record. */
  readonly readFailure: () => string | undefined
  /** After it closed with nothing but the end of data left to send: undefined if that is no failure. */
  readonly shutdownFailure: () => string | undefined
  /** After it closed without a word that all was written: whether the end of data was sent, so all before it too. */
  readonly saidAll: () => boolean
}

const DISCONNECTS: ReadonlySet<string | undefined> = new Set(['ECONNRESET', 'ENOTCONN', 'EPIPE'])

/** The socket must have been made with `allowHalfOpen`. */
export function tcpSide(socket: net.Socket): Side {
  // What the error means is asked for after the close; without a listener it would end the process.
  socket.on('error', () => {})
  return {
    duplex: socket,
    abandon: () => void socket.destroy(),
    readFailure() {
      const error: NodeJS.ErrnoException | null = socket.errored
      return error === null || DISCONNECTS.has(error.code) ? undefined : `io error: ${error.message}`
    },
    shutdownFailure: () => undefined,
    saidAll: () => false
  }
}

/** What became of the tunnel under a stream: 'eof' when the peer just closed it. */
export type TunnelLoss = 'no' | 'eof' | 'error'

export function streamSide(stream: http2.Http2Stream, lost: () => TunnelLoss): Side {
  stream.on('error', () => {})
  let localClose = false
  // Node destroys a stream once the end of data went both ways, though its writes may not have been told done yet.
  const destroy = stream.destroy
  stream.destroy = error => {
    localClose ||= stream.state.localClose === 1
    return destroy.call(stream, error)
  }
  return {
    duplex: stream,
    abandon() {
      if (stream.closed) return
      const serverSaidAll = isServerStream(stream) && stream.writableEnded
      stream.close(serverSaidAll ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL)
    },
    readFailure() {
      const code = stream.rstCode
      if (lost() !== 'no') return undefined
      if (code === undefined || code === NGHTTP2_NO_ERROR || code === NGHTTP2_CANCEL) return undefined
      return code === NGHTTP2_STREAM_CLOSED ? undefined : `io error: stream reset: ${errorName(code)}`
    },
    shutdownFailure() {
      const loss = lost()
      if (loss === 'eof') return undefined
      return loss === 'no' && stream.rstCode === NGHTTP2_NO_ERROR ? undefined : 'io error: broken pipe'
    },
    saidAll: () => localClose && lost() === 'no'
  }
}

function isServerStream(stream: http2.Http2Stream): boolean {
  return 'respond' in stream
}
