import http2 from 'node:http2'
import type { Duplex } from 'node:stream'
import { type ConnectRequest, connectRequestHeaders, type HeaderField, headerFields } from './connect-request.ts'
import { HboneError } from './errors.ts'
import { errorName } from './error-name.ts'
import { watchWithPings } from './ping.ts'
import { clientSettings, defaultHttp2Settings, type Http2Settings, sessionLimits } from './settings.ts'
import { streamSide, type Side } from './side.ts'
import { aborted, secureClient, type TlsClientOptions } from './tls-client.ts'

export interface ClientTunnelOptions extends TlsClientOptions {
  readonly http2?: Http2Settings
}

/** An answered CONNECT: both directions open. */
export interface TunnelStream {
  readonly side: Side
  /** First SPIFFE id in the server's leaf. */
  readonly peerIdentity: string | undefined
  /** Regular header lines of the 200, in order. */
  readonly responseHeaders: readonly HeaderField[]
}

/** One client connection: mutual TLS and HTTP/2 over a byte stream. */
export interface ClientTunnel {
  readonly peerIdentity: string | undefined
  /** False once it failed, said or was told GOAWAY. */
  readonly usable: boolean
  /** Streams asked for and not yet ended. */
  readonly streams: number
  /** One CONNECT; rejects with an HboneError unless the answer is 200. */
  connect: (request: ConnectRequest, options?: { readonly signal?: AbortSignal | undefined }) => Promise<TunnelStream>
  /** No new streams; GOAWAY now, the connection closes when the last stream ends. */
  release: () => void
  /** Drops the connection with everything on it. */
  destroy: () => void
  onStreamEnd: (listener: () => void) => void
  onUnusable: (listener: () => void) => void
  onClose: (listener: () => void) => void
}

/** TLS handshake and HTTP/2 preface over `carrier`, which is abandoned when that fails. */
export async function openTunnel(carrier: Side, options: ClientTunnelOptions): Promise<ClientTunnel> {
  const { socket, peerIdentity } = await secureClient(carrier, options)
  // A server that rejects our certificate does so after we are done: that is no failure of TLS any more.
  if (socket.destroyed) throw new HboneError('HBONE_HTTP2', 'connection closed by its peer')
  const settings = options.http2 ?? defaultHttp2Settings
  let session: http2.ClientHttp2Session
  try {
    // The name in this URL goes nowhere: every request says its own :authority, and no server name is sent.
    session = http2.connect('https://tunnel.invalid', {
      ...sessionLimits,
      createConnection: () => socket,
      settings: clientSettings(settings)
    })
    session.setLocalWindowSize(settings.connectionWindow)
  } catch (error) {
    carrier.abandon()
    socket.destroy()
    throw new HboneError('HBONE_HTTP2_HANDSHAKE', error instanceof Error ? error.message : String(error), {
      cause: error
    })
  }
  return new Http2Tunnel(session, socket, carrier, peerIdentity)
}

class Http2Tunnel implements ClientTunnel {
  readonly peerIdentity: string | undefined
  readonly #session: http2.ClientHttp2Session
  readonly #socket: Duplex
  readonly #carrier: Side
  #streams = 0
  #usable = true
  #failure: Error | undefined
  #streamEnd: (() => void) | undefined
  #unusable: (() => void) | undefined

  constructor(session: http2.ClientHttp2Session, socket: Duplex, carrier: Side, peerIdentity: string | undefined) {
    this.#session = session
    this.#socket = socket
    this.#carrier = carrier
    this.peerIdentity = peerIdentity
    session.on('error', error => this.#fail(error))
    socket.on('error', error => this.#fail(error))
    carrier.duplex.on('error', error => this.#fail(error))
    session.on('goaway', () => this.#stop())
    session.on('close', () => this.#stop())
    // The TLS layer above a carrier that vanished does not always notice by itself.
    carrier.duplex.on('close', () => socket.destroy())
    watchWithPings(session, () => {
      this.#fail(new Error('no answer to PING'))
      this.destroy()
    })
  }

  get usable(): boolean {
    return this.#usable && !this.#session.closed && !this.#session.destroyed
  }

  get streams(): number {
    return this.#streams
  }

  onStreamEnd(listener: () => void): void {
    this.#streamEnd = listener
  }

  onUnusable(listener: () => void): void {
    this.#unusable = listener
  }

  onClose(listener: () => void): void {
    this.#session.once('close', listener)
  }

  async connect(
    request: ConnectRequest,
    options: { readonly signal?: AbortSignal | undefined } = {}
  ): Promise<TunnelStream> {
    if (options.signal?.aborted) throw aborted(options.signal)
    let stream: http2.ClientHttp2Stream
    try {
      stream = this.#session.request(connectRequestHeaders(request), { endStream: false })
    } catch (error) {
      throw new HboneError('HBONE_HTTP2', this.#reason(error), { cause: error })
    }
    this.#streams++
    stream.once('close', () => {
      this.#streams--
      this.#streamEnd?.()
    })
    return await this.#answer(stream, options.signal)
  }

  #answer(stream: http2.ClientHttp2Stream, signal: AbortSignal | undefined): Promise<TunnelStream> {
    return new Promise((resolve, reject) => {
      let failure: Error | undefined
      const settle = (): void => {
        signal?.removeEventListener('abort', onAbort)
        stream.off('response', onResponse)
        stream.off('close', onClose)
      }
      const onResponse = (
        headers: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader,
        _flags: number,
        raw: string[]
      ): void => {
        settle()
        const status = headers[':status'] ?? 0
        if (status === 200) {
          const side = streamSide(stream, () => this.#lost())
          resolve({ side, peerIdentity: this.peerIdentity, responseHeaders: headerFields(raw) })
          return
        }
        stream.close(http2.constants.NGHTTP2_CANCEL)
        reject(new HboneError('HBONE_STATUS', `the tunnel's other end answered ${status}`, { status }))
      }
      const onClose = (): void => {
        settle()
        const reason = this.#failure ?? failure
        const text = reason === undefined ? `stream reset: ${errorName(stream.rstCode)}` : this.#reason(reason)
        reject(new HboneError('HBONE_HTTP2', text, { cause: reason }))
      }
      const onAbort = (): void => {
        settle()
        stream.close(http2.constants.NGHTTP2_CANCEL)
        reject(aborted(signal!))
      }
      stream.on('error', error => {
        failure = error
      })
      stream.on('response', onResponse)
      stream.on('close', onClose)
      signal?.addEventListener('abort', onAbort)
    })
  }

  release(): void {
    this.#usable = false
    this.#session.close()
  }

  destroy(): void {
    this.#usable = false
    this.#session.destroy()
    // A peer that reads nothing any more must not keep the socket: destroying the session waits for its GOAWAY to go.
    setImmediate(() => {
      this.#carrier.abandon()
      this.#socket.destroy()
    })
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#stop()
  }

  #stop(): void {
    if (!this.#usable) return
    this.#usable = false
    this.#unusable?.()
  }

  #lost(): 'no' | 'eof' | 'error' {
    if (this.#failure !== undefined) return 'error'
    return this.#session.destroyed && this.#socket.destroyed ? 'eof' : 'no'
  }

  #reason(error: unknown): string {
    const reason = this.#failure ?? error
    return reason instanceof Error ? reason.message : String(reason)
  }
}
