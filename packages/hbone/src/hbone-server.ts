import http2 from 'node:http2'
import net from 'node:net'
import { type Address, endpoints } from './address.ts'
import type { Credential } from './credential.ts'
import { HboneError } from './errors.ts'
import { ServerTunnel } from './server-tunnel.ts'
import type { HboneServerStream } from './server-stream.ts'
import { defaultHttp2Settings, type Http2Settings } from './settings.ts'
import { secureServer } from './tls-server.ts'

export interface HboneServerOptions {
  /** The certificate for one connection, asked for each anew; undefined closes it without TLS. */
  readonly credential: (peer: Address, local: Address) => Credential | undefined | Promise<Credential | undefined>
  /** Every request that opened a stream, CONNECT or not; must be accepted or answered. */
  readonly onStream: (stream: HboneServerStream) => void
  /** A TLS or HTTP/2 handshake failed: `message` is the text for the log. */
  readonly onHandshakeFailed?: (failure: {
    readonly peer: Address
    readonly local: Address
    readonly message: string
  }) => void
  readonly http2?: Http2Settings
  /** Milliseconds; 0: none, the default. */
  readonly handshakeTimeout?: number
}

export interface HboneServer {
  /** Binds a listener of its own; resolves with the address it got. */
  listen: (at: { readonly host?: string; readonly port: number }) => Promise<Address>
  /** Serves a connection accepted elsewhere, with `allowHalfOpen` and `pauseOnConnect`. */
  accept: (socket: net.Socket) => void
  /** Tunnels that stand or are being made. */
  readonly size: number
  /** No new connections, GOAWAY on every tunnel; resolves when all have ended or, cut, when `deadline` aborts. */
  drain: (options: { readonly deadline: AbortSignal }) => Promise<void>
  /** Drops every tunnel with everything on it. */
  close: () => Promise<void>
}

export function createHboneServer(options: HboneServerOptions): HboneServer {
  return new TunnelServer(options)
}

class TunnelServer implements HboneServer {
  readonly #options: HboneServerOptions
  readonly #http2: Http2Settings
  readonly #tunnels = new Set<ServerTunnel>()
  /** Sockets whose handshake goes on. */
  readonly #pending = new Set<net.Socket>()
  #listener: net.Server | undefined
  #onEmpty: (() => void) | undefined
  #draining = false
  #closed = false

  constructor(options: HboneServerOptions) {
    this.#options = options
    this.#http2 = options.http2 ?? defaultHttp2Settings
  }

  get size(): number {
    return this.#tunnels.size + this.#pending.size
  }

  async listen({ host, port }: { readonly host?: string; readonly port: number }): Promise<Address> {
    const listener = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true })
    listener.on('connection', socket => this.accept(socket))
    this.#listener = listener
    return await new Promise((resolve, reject) => {
      listener.once('error', error => {
        reject(
          new HboneError('HBONE_LISTEN', `cannot listen on ${host ?? '::'} port ${port}: ${error.message}`, {
            cause: error
          })
        )
      })
      listener.listen(port, host, () => {
        const { address, port: bound } = listener.address() as net.AddressInfo
        resolve({ ip: address, port: bound })
      })
    })
  }

  accept(socket: net.Socket): void {
    void this.#serve(socket)
  }

  async drain({ deadline }: { readonly deadline: AbortSignal }): Promise<void> {
    this.#draining = true
    this.#listener?.close()
    for (const tunnel of this.#tunnels) tunnel.release()
    if (this.size === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#onEmpty = resolve
    const cut = (): void => void this.close()
    deadline.addEventListener('abort', cut)
    if (deadline.aborted) cut()
    await promise
    deadline.removeEventListener('abort', cut)
  }

  async close(): Promise<void> {
    this.#draining = true
    this.#closed = true
    this.#listener?.close()
    for (const socket of this.#pending) setImmediate(() => socket.destroy())
    // Nobody waits for credentials that are still being fetched.
    this.#pending.clear()
    for (const tunnel of this.#tunnels) tunnel.destroy()
    if (this.size === 0) return
    const before = this.#onEmpty
    await new Promise<void>(resolve => {
      this.#onEmpty = () => {
        before?.()
        resolve()
      }
    })
  }

  async #serve(socket: net.Socket): Promise<void> {
    const { peer, local } = endpoints(socket)
    // Until someone else listens; an error without a listener would end the process.
    socket.on('error', () => {})
    this.#pending.add(socket)
    try {
      const credential = await this.#options.credential(peer, local)
      if (credential === undefined || socket.destroyed || this.#draining) return void socket.destroy()
      const handshakeTimeout = this.#options.handshakeTimeout ?? 0
      const secured = await secureServer(socket, { credential, handshakeTimeout })
      const session = http2.performServerHandshake(secured.socket, ServerTunnel.sessionOptions(this.#http2))
      session.setLocalWindowSize(this.#http2.connectionWindow)
      const tunnel = new ServerTunnel(session, secured, {
        peer,
        local,
        handshakeTimeout,
        onStream: this.#options.onStream,
        onHandshakeFailed: message => this.#options.onHandshakeFailed?.({ peer, local, message })
      })
      this.#tunnels.add(tunnel)
      socket.once('close', () => {
        this.#tunnels.delete(tunnel)
        this.#checkEmpty()
      })
      if (socket.destroyed) this.#tunnels.delete(tunnel)
      if (this.#closed) tunnel.destroy()
      else if (this.#draining) tunnel.release()
    } catch (error) {
      setImmediate(() => socket.destroy())
      if (this.#closed) return
      const detail = error instanceof Error ? error.message : String(error)
      this.#options.onHandshakeFailed?.({ peer, local, message: `tls handshake error: ${detail}` })
    } finally {
      this.#pending.delete(socket)
      this.#checkEmpty()
    }
  }

  #checkEmpty(): void {
    if (this.size > 0) return
    this.#onEmpty?.()
    this.#onEmpty = undefined
  }
}
