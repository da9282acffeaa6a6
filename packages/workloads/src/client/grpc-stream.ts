import { type ClientHttp2Session, connect, constants, type IncomingHttpHeaders } from 'node:http2'
import type { Clock } from '@culvert/clock'
import { status } from '@grpc/grpc-js'
import { WorkloadsError } from '../errors.ts'
import type { StreamEnd } from './backoff.ts'
import type { Connection } from './connection.ts'
import { createMessageFrames, frameHead } from './message-frames.ts'

/**
 * One bidirectional gRPC call on an HTTP/2 connection of its own, with messages as bytes. grpc-js puts a message together
 * in one piece when all of it has come, which for a whole mesh takes tens of milliseconds.
 */
export interface GrpcStream {
  /** One message, which may be in parts. */
  readonly write: (...parts: readonly Uint8Array[]) => void
  /**
   * What is not taken holds the sender back. Ends with the stream, however that ended. Throws WORKLOADS_UNDECODABLE for
   * what is no message.
   */
  readonly messages: () => AsyncIterable<Uint8Array>
  /** Known when there are no more messages. */
  readonly end: () => StreamEnd
  /** Gives up call and connection. Repeatable. */
  readonly close: () => void
}

/** Milliseconds: TCP, TLS and HTTP/2 together; the kernel would try for minutes. */
const connectTimeout = 10_000
/** docs/spec/workload-xds.md 1.1. */
const pingInterval = 30_000
const pingTimeout = 10_000
const maxMessageBytes = 200 * 1024 * 1024

export function openGrpcStream(
  { url, path, headers, tls }: Connection,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal }
): GrpcStream {
  // A request that lists a whole mesh waits in memory until the server takes it.
  const session = connect(url, { ...tls, settings: { enablePush: false }, maxSessionMemory: maxMessageBytes / 1e6 })
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    te: 'trailers',
    'content-type': 'application/grpc',
    'user-agent': 'culvert',
    ...headers
  })
  const closed = Promise.withResolvers<void>()
  let gotHeaders = false
  let end: StreamEnd | undefined
  const ended = (how: StreamEnd): void => {
    end ??= how
  }
  const close = (): void => session.destroy()
  const failed = (error: Error): void => ended(lost(gotHeaders, error.message))

  const stopTimer = clock.after(connectTimeout, () => {
    ended({ kind: 'not-connected', message: `no connection within ${connectTimeout} ms` })
    close()
  })
  const stopPings = keepAlive(session, clock, failed)
  session.once('connect', stopTimer)
  session.on('error', failed)
  session.once('close', () => {
    stopTimer()
    stopPings()
    signal.removeEventListener('abort', close)
  })
  signal.addEventListener('abort', close, { once: true })
  if (signal.aborted) close()

  stream.on('response', (response, flags) => {
    // Headers that also end the stream are a refusal.
    if (flags & constants.NGHTTP2_FLAG_END_STREAM) return ended(refusal(response))
    if (response[':status'] === 200) {
      gotHeaders = true
      return
    }
    ended({ kind: 'not-connected', message: `HTTP status ${response[':status']}` })
    close()
  })
  stream.on('trailers', trailers => ended(statusIn(trailers)))
  stream.on('error', error => {
    // Its code says more, below.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_HTTP2_STREAM_ERROR') failed(error)
  })
  stream.once('close', () => {
    const code = stream.rstCode ?? constants.NGHTTP2_NO_ERROR
    if (session.closed || session.destroyed) failed(new Error('ended by the other side'))
    else ended(lost(gotHeaders, `the stream was reset with code ${code}`, resetCodes.get(code) ?? status.INTERNAL))
    closed.resolve()
  })

  async function* messages(): AsyncGenerator<Uint8Array> {
    const frames = createMessageFrames({ maxBytes: maxMessageBytes })
    try {
      for await (const piece of stream) {
        if (gotHeaders) yield* frames.push(piece as Buffer)
      }
      // Half of it: the other half is ours. The trailers came before, if any did.
      if (!stream.closed && !stream.destroyed) ended(statusIn({}))
    } catch (error) {
      // Anything else is about the stream, whose own events say more.
      if (error instanceof WorkloadsError) throw error
    }
    stream.close(constants.NGHTTP2_CANCEL)
    await closed.promise
  }

  return {
    write: (...parts) => {
      if (stream.closed || stream.destroyed) return
      stream.cork()
      stream.write(frameHead(parts.reduce((sum, part) => sum + part.length, 0)))
      for (const part of parts) stream.write(part)
      stream.uncork()
    },
    messages,
    end: () => end ?? lost(gotHeaders, 'not ended yet'),
    close
  }
}

/** Pings again and again; an answer that does not come in time ends the connection. */
function keepAlive(session: ClientHttp2Session, clock: Clock, failed: (error: Error) => void): () => void {
  let stop = clock.after(pingInterval, ping)
  function ping(): void {
    if (session.destroyed || session.connecting) {
      stop = clock.after(pingInterval, ping)
      return
    }
    stop = clock.after(pingTimeout, () => {
      failed(new Error(`no answer to a ping within ${pingTimeout} ms`))
      session.destroy()
    })
    session.ping(error => {
      if (error) return
      stop()
      stop = clock.after(pingInterval, ping)
    })
  }
  return () => stop()
}

/** Of a stream that ended without the server's word about it. */
const lost = (gotHeaders: boolean, reason: string, code: status = status.UNAVAILABLE): StreamEnd =>
  gotHeaders
    ? { kind: 'status', code, message: `${status[code]}: connection dropped: ${reason}` }
    : { kind: 'not-connected', message: reason }

/** The gRPC protocol over HTTP/2, Errors; others are INTERNAL. */
const resetCodes: ReadonlyMap<number, status> = new Map([
  [constants.NGHTTP2_REFUSED_STREAM, status.UNAVAILABLE],
  [constants.NGHTTP2_CANCEL, status.CANCELLED],
  [constants.NGHTTP2_ENHANCE_YOUR_CALM, status.RESOURCE_EXHAUSTED],
  [constants.NGHTTP2_INADEQUATE_SECURITY, status.PERMISSION_DENIED]
])

function statusIn(headers: IncomingHttpHeaders): StreamEnd {
  const code = Number(headers['grpc-status'] ?? status.UNKNOWN)
  if (code === status.OK) return { kind: 'complete' }
  return { kind: 'status', code, message: `${status[code] ?? code}: ${decoded(String(headers['grpc-message'] ?? ''))}` }
}

function refusal(headers: IncomingHttpHeaders): StreamEnd {
  const end = statusIn(headers)
  return { kind: 'not-connected', message: end.kind === 'status' ? end.message : 'the server ended the stream at once' }
}

/** Percent-encoded UTF-8; whoever wrote it may not have known that. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
