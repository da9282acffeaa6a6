import http2 from 'node:http2'
import type { Address } from './address.ts'
import { headerFields, headerListSize } from './connect-request.ts'
import { watchWithPings } from './ping.ts'
import { createServerStream, type HboneServerStream } from './server-stream.ts'
import { type Http2Settings, MAX_HEADER_LIST_SIZE, serverSettings, sessionLimits } from './settings.ts'
import type { TunnelLoss } from './side.ts'
import type { SecuredConnection } from './tls-client.ts'

export interface ServerTunnelOptions {
  readonly peer: Address
  readonly local: Address
  readonly onStream: (stream: HboneServerStream) => void
  readonly onHandshakeFailed: (message: string) => void
  /** Milliseconds for the client's preface and SETTINGS; 0: none. */
  readonly handshakeTimeout: number
}

/** One accepted tunnel after its TLS handshake. */
export class ServerTunnel {
  readonly #session: http2.ServerHttp2Session
  readonly #socket: SecuredConnection['socket']
  #failure: Error | undefined
  #greeted = false

  static sessionOptions(settings: Http2Settings): http2.ServerOptions {
    return { ...sessionLimits, settings: serverSettings(settings) }
  }

  constructor(session: http2.ServerHttp2Session, secured: SecuredConnection, options: ServerTunnelOptions) {
    this.#session = session
    this.#socket = secured.socket
    session.on('error', error => {
      this.#failure ??= error
      if (!this.#greeted) options.onHandshakeFailed(`http2 handshake failed: ${error.message}`)
    })
    secured.socket.on('error', error => {
      this.#failure ??= error
    })
    session.once('remoteSettings', () => {
      this.#greeted = true
    })
    if (options.handshakeTimeout > 0) this.#awaitGreeting(options)
    session.on('stream', (stream: http2.ServerHttp2Stream, headers, _flags, rawHeaders: string[]) => {
      const request = createServerStream({
        stream,
        peer: options.peer,
        local: options.local,
        peerIdentity: secured.peerIdentity,
        method: headers[':method'] ?? '',
        authority: headers[':authority'],
        headers: headerFields(rawHeaders),
        lost: () => this.#lost()
      })
      // Node announces the limit and keeps to a higher one of its own.
      if (headerListSize(rawHeaders) > MAX_HEADER_LIST_SIZE) request.answer(431)
      else options.onStream(request)
    })
    watchWithPings(session, () => {
      this.#failure ??= new Error('no answer to PING')
      this.destroy()
    })
  }

  /**
   * GOAWAY with the last stream begun, then the end of all streams. Upstream first sends one that allows every stream
   * and the real one a round trip later; Node ignores streams after any GOAWAY of its own, so the first would only
   * leave the streams in between without an answer.
   */
  release(): void {
    this.#session.close()
  }

  /** GOAWAY NO_ERROR, then the connection is closed with everything on it. */
  destroy(): void {
    this.#session.destroy()
    // A peer that reads nothing any more must not keep the socket: destroying the session waits for its GOAWAY to go.
    setImmediate(() => this.#socket.destroy())
  }

  #awaitGreeting({ handshakeTimeout, onHandshakeFailed }: ServerTunnelOptions): void {
    const timer = setTimeout(() => {
      onHandshakeFailed(`http2 handshake failed: no preface within ${handshakeTimeout} ms`)
      this.destroy()
    }, handshakeTimeout).unref()
    this.#session.once('remoteSettings', () => clearTimeout(timer))
    this.#session.once('close', () => clearTimeout(timer))
  }

  #lost(): TunnelLoss {
    if (this.#failure !== undefined) return 'error'
    return this.#session.destroyed && this.#socket.destroyed ? 'eof' : 'no'
  }
}
