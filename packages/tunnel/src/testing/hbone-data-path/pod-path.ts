import type net from 'node:net'
import {
  canonicalIp,
  createHboneServer,
  createTunnelPool,
  type HboneServer,
  type HboneServerStream,
  type TunnelPool
} from '@culvert/hbone'
import { originalDestination } from '@culvert/netns'
import { type CapturedContext, serveCaptured } from './captured-connection.ts'
import type {
  CapturedConnection,
  ConnectionId,
  Endpoint,
  ListenerRole,
  PodHandler,
  PodOptions,
  PodPath
} from '../../data-path.ts'
import { TunnelError } from '../../errors.ts'
import { serveInboundStream } from './inbound-stream.ts'
import { type LiveConnection, LiveConnections } from './live-connections.ts'
import type { TunnelLog } from '../../log.ts'
import { type BoundListener, PodSockets } from './sockets.ts'

export interface PodPathParts {
  readonly options: PodOptions
  readonly handler: PodHandler
  readonly log: TunnelLog
  readonly nextId: () => ConnectionId
  /** Called when nothing of the pod is left. */
  readonly onEnd: (pod: PodPath) => void
}

export async function openPodPath(parts: PodPathParts): Promise<PodPath> {
  const { options, log } = parts
  if (options.listeners.some(({ role }) => role === 'socks5')) {
    throw new TunnelError('TUNNEL_BIND', 'this data path has no SOCKS5 listener')
  }
  const sockets = new PodSockets(options.netns, options.sockets, log)
  const bound: BoundListener[] = []
  try {
    for (const { role, ip, port } of options.listeners) bound.push(await sockets.listen(role, { ip, port }))
  } catch (error) {
    for (const { server } of bound) server.close()
    throw error
  }
  return new HbonePodPath(parts, sockets, bound)
}

class HbonePodPath implements PodPath {
  readonly listeners: readonly Endpoint[]
  readonly originalSource: boolean
  readonly #log: TunnelLog
  readonly #handler: PodHandler
  readonly #bound: readonly BoundListener[]
  readonly #live: LiveConnections
  readonly #pool: TunnelPool
  readonly #server: HboneServer
  readonly #context: CapturedContext
  readonly #onEnd: PodPathParts['onEnd']

  constructor(
    { options, handler, log, nextId, onEnd }: PodPathParts,
    sockets: PodSockets,
    bound: readonly BoundListener[]
  ) {
    this.#log = log
    this.#onEnd = onEnd
    this.#handler = handler
    this.#bound = bound
    this.listeners = bound.map(({ address }) => address)
    this.originalSource = options.sockets.originalSource !== 'never' && bound.every(({ transparent }) => transparent)
    this.#live = new LiveConnections(handler, nextId)
    const { handshakeTimeout } = options.sockets
    this.#pool = createTunnelPool({
      dial: (to, dialOptions) => sockets.connect(to, dialOptions),
      http2: options.http2,
      maxStreamsPerTunnel: options.pool.maxStreamsPerTunnel,
      unusedRelease: options.pool.unusedRelease,
      handshakeTimeout
    })
    this.#server = createHboneServer({
      credential: (peer, local) => handler.serverCredential(peer, local),
      onStream: stream => this.#stream(stream),
      onHandshakeFailed: failure => handler.handshakeFailed(failure),
      http2: options.http2,
      handshakeTimeout
    })
    this.#context = {
      handler,
      sockets,
      handshakeTimeout,
      live: this.#live,
      pool: this.#pool,
      http2: options.http2,
      originalSource: this.originalSource
    }
    for (const { role, server } of bound) server.on('connection', socket => this.#accepted(role, socket))
  }

  cut(id: ConnectionId): void {
    this.#live.cut(id, 'CUT')
  }

  async drain({
    deadline
  }: {
    readonly deadline: AbortSignal
  }): Promise<{ readonly finished: number; readonly cut: number }> {
    for (const { server } of this.#bound) server.close()
    this.#pool.drain()
    const before = this.#live.size
    let cut = 0
    const cutRest = (): void => {
      cut = this.#live.size
      this.#live.cutAll('DRAINED')
    }
    deadline.addEventListener('abort', cutRest)
    if (deadline.aborted) cutRest()
    await Promise.all([this.#live.empty(), this.#server.drain({ deadline })])
    deadline.removeEventListener('abort', cutRest)
    this.#pool.close()
    this.#onEnd(this)
    return { finished: Math.max(before - cut, 0), cut }
  }

  async close(): Promise<void> {
    for (const { server } of this.#bound) server.close()
    this.#live.cutAll('DRAINED')
    this.#pool.close()
    await Promise.all([this.#live.empty(), this.#server.close()])
    this.#onEnd(this)
  }

  #accepted(role: ListenerRole, socket: net.Socket): void {
    this.#handler.sockets({ role, opened: 1, closed: 0 })
    socket.once('close', () => this.#handler.sockets({ role, opened: 0, closed: 1 }))
    // An error without a listener would end the process; what it means shows in the connection's outcome.
    socket.on('error', () => {})
    // Gone before it could be served: its peer has no address any more.
    if (socket.remoteAddress === undefined) socket.destroy()
    else if (role === 'inbound-hbone') this.#server.accept(socket)
    else if (role !== 'socks5') this.#captured(role, socket)
  }

  #captured(role: CapturedConnection['role'], socket: net.Socket): void {
    const source = { ip: canonicalIp(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0 }
    const local = { ip: canonicalIp(socket.localAddress ?? ''), port: socket.localPort ?? 0 }
    const destination = this.#destination(socket) ?? local
    const connection = this.#live.add(() => socket.destroy())
    const captured: CapturedConnection = { id: connection.id, role, source, destination }
    this.#watch(serveCaptured(this.#context, socket, connection, captured), connection, () => socket.destroy())
  }

  #destination(socket: net.Socket): Endpoint | undefined {
    try {
      return originalDestination(socket)
    } catch (error) {
      this.#log.warn(`no original destination: ${error instanceof Error ? error.message : String(error)}`)
      return undefined
    }
  }

  #stream(stream: HboneServerStream): void {
    const connection = this.#live.add(() => stream.abandon())
    this.#watch(serveInboundStream(this.#context, stream, connection), connection, () => stream.answer(503))
  }

  /** A handler that throws is a mistake of ours: the connection ends, the pod goes on. */
  #watch(serving: Promise<void>, connection: LiveConnection, giveUp: () => void): void {
    serving.catch((error: unknown) => {
      giveUp()
      this.#log.warn(`connection ${connection.id} failed: ${error instanceof Error ? error.stack : String(error)}`)
      this.#live.finish(connection, { code: 'IO', detail: error instanceof Error ? error.message : String(error) })
    })
  }
}
