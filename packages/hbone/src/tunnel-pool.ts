import type net from 'node:net'
import { type Address, formatAddress } from './address.ts'
import { type ClientTunnel, openTunnel, type TunnelStream } from './client-tunnel.ts'
import type { ConnectRequest } from './connect-request.ts'
import type { Credential } from './credential.ts'
import { HboneError } from './errors.ts'
import { defaultHttp2Settings, type Http2Settings } from './settings.ts'
import { tcpSide } from './side.ts'
import { aborted } from './tls-client.ts'

export interface TunnelPoolOptions {
  /** Opens the TCP connection under a tunnel, with TCP_NODELAY. */
  readonly dial: (to: Address, options: { readonly signal?: AbortSignal | undefined }) => Promise<net.Socket>
  readonly http2?: Http2Settings
  /** A tunnel with this many streams takes no more; 1 means a tunnel per stream. Default 100. */
  readonly maxStreamsPerTunnel?: number
  /** Milliseconds after which an unused tunnel is let go. Default 300 000. */
  readonly unusedRelease?: number
  /** Milliseconds; 0: none, the default. */
  readonly handshakeTimeout?: number
  /** Tunnels kept at most; the one not used for longest is let go first. Default 500. */
  readonly maxTunnels?: number
}

export interface TunnelRequest extends ConnectRequest {
  readonly to: Address
  readonly credential: Credential
  /** SPIFFE ids of which the server's leaf must hold one. */
  readonly expectedIdentities: readonly string[]
  /** Our identity and the application's address: with `to` and the expected identities the key (docs/spec/hbone.md 6). */
  readonly identity: string
  readonly applicationIp: string
}

/** Shares tunnels between connections of one application to one destination. */
export interface TunnelPool {
  /** A stream in a tunnel, a new one if need be; rejects with an HboneError. Nothing is ever retried. */
  connect: (request: TunnelRequest, options?: { readonly signal?: AbortSignal | undefined }) => Promise<TunnelStream>
  /** Tunnels that stand, pooled or only finishing their streams. */
  readonly size: number
  /** Tunnels say GOAWAY and close when their last stream ends; connections still asked for get tunnels of their own. */
  drain: () => void
  /** Drops every tunnel with everything on it. */
  close: () => void
}

export function createTunnelPool(options: TunnelPoolOptions): TunnelPool {
  return new KeyedTunnelPool(options)
}

interface Pooled {
  readonly key: string
  readonly tunnel: ClientTunnel
  timer: NodeJS.Timeout | undefined
}

class KeyedTunnelPool implements TunnelPool {
  readonly #dial: TunnelPoolOptions['dial']
  readonly #http2: Http2Settings
  #limit: number
  readonly #unusedRelease: number
  readonly #handshakeTimeout: number
  readonly #maxTunnels: number
  /** In the order of their last use; only tunnels that take more streams. */
  readonly #pooled = new Map<ClientTunnel, Pooled>()
  readonly #byKey = new Map<string, Set<Pooled>>()
  readonly #standing = new Set<ClientTunnel>()
  /** The tail of each key's queue: one checkout at a time. */
  readonly #turns = new Map<string, Promise<void>>()
  readonly #ending = new AbortController()

  constructor(options: TunnelPoolOptions) {
    this.#dial = options.dial
    this.#http2 = options.http2 ?? defaultHttp2Settings
    this.#limit = options.maxStreamsPerTunnel ?? 100
    this.#unusedRelease = options.unusedRelease ?? 300_000
    this.#handshakeTimeout = options.handshakeTimeout ?? 0
    this.#maxTunnels = options.maxTunnels ?? 500
  }

  get size(): number {
    return this.#standing.size
  }

  async connect(
    request: TunnelRequest,
    { signal }: { readonly signal?: AbortSignal | undefined } = {}
  ): Promise<TunnelStream> {
    // The stream must be asked for within the turn: only then does the next checkout see it counted.
    const answer = await this.#inTurn(poolKey(request), signal, async key => {
      const tunnel = this.#pooledTunnel(key) ?? (await this.#create(request, signal))
      const full = tunnel.streams + 1 >= this.#limit
      const stream = tunnel.connect(request, { signal })
      if (full || !tunnel.usable) this.#drop(tunnel)
      else this.#keep(key, tunnel)
      // Boxed, so that the turn does not wait for the peer's answer.
      return { stream }
    })
    return await answer.stream
  }

  drain(): void {
    this.#limit = 1
    for (const tunnel of [...this.#pooled.keys()]) this.#forget(tunnel)
    for (const tunnel of [...this.#standing]) tunnel.release()
  }

  close(): void {
    this.drain()
    this.#ending.abort(new HboneError('HBONE_POOL_CLOSED', 'pool draining'))
    for (const tunnel of [...this.#standing]) tunnel.destroy()
  }

  async #inTurn<T>(key: string, signal: AbortSignal | undefined, call: (key: string) => Promise<T>): Promise<T> {
    const before = this.#turns.get(key)
    const { promise: turn, resolve: pass } = Promise.withResolvers<void>()
    this.#turns.set(key, turn)
    void turn.then(() => {
      if (this.#turns.get(key) === turn) this.#turns.delete(key)
    })
    try {
      if (before !== undefined) await beforeOrAbort(before, signal)
      if (signal?.aborted) throw aborted(signal)
      if (this.#ending.signal.aborted) throw this.#ending.signal.reason
      return await call(key)
    } finally {
      // Who gives up while waiting must not let the next one in before its time.
      if (before === undefined) pass()
      else void before.then(pass)
    }
  }

  #pooledTunnel(key: string): ClientTunnel | undefined {
    for (const { tunnel } of this.#byKey.get(key) ?? []) {
      if (tunnel.usable) return tunnel
      this.#forget(tunnel)
    }
    return undefined
  }

  async #create(request: TunnelRequest, signal: AbortSignal | undefined): Promise<ClientTunnel> {
    const ending = this.#ending.signal
    const either = signal === undefined ? ending : AbortSignal.any([signal, ending])
    let tunnel: ClientTunnel
    try {
      tunnel = await this.#open(request, either)
    } catch (error) {
      throw ending.aborted ? ending.reason : error
    }
    if (ending.aborted) {
      tunnel.destroy()
      throw ending.reason
    }
    this.#standing.add(tunnel)
    tunnel.onStreamEnd(() => {
      if (tunnel.streams === 0 && !this.#pooled.has(tunnel)) tunnel.release()
    })
    tunnel.onUnusable(() => this.#forget(tunnel))
    tunnel.onClose(() => this.#standing.delete(tunnel))
    return tunnel
  }

  async #open(request: TunnelRequest, signal: AbortSignal): Promise<ClientTunnel> {
    let socket: net.Socket
    try {
      socket = await this.#dial(request.to, { signal })
    } catch (error) {
      throw signal.aborted ? aborted(signal) : dialError(request.to, error)
    }
    return await openTunnel(tcpSide(socket), {
      credential: request.credential,
      expectedIdentities: request.expectedIdentities,
      handshakeTimeout: this.#handshakeTimeout,
      http2: this.#http2,
      signal
    })
  }

  /** Back into the pool, as the one used last; its release timer starts anew. */
  #keep(key: string, tunnel: ClientTunnel): void {
    const pooled = this.#pooled.get(tunnel) ?? { key, tunnel, timer: undefined }
    clearTimeout(pooled.timer)
    pooled.timer = setTimeout(() => this.#drop(tunnel), this.#unusedRelease).unref()
    this.#pooled.delete(tunnel)
    this.#pooled.set(tunnel, pooled)
    const tunnels = this.#byKey.get(key)
    if (tunnels === undefined) this.#byKey.set(key, new Set([pooled]))
    else tunnels.add(pooled)
    const [oldest] = this.#pooled.keys()
    if (this.#pooled.size > this.#maxTunnels && oldest !== undefined) this.#drop(oldest)
  }

  /** Gives up the pool's hold: the tunnel closes now or when its last stream ends. */
  #drop(tunnel: ClientTunnel): void {
    this.#forget(tunnel)
    if (tunnel.streams === 0) tunnel.release()
  }

  #forget(tunnel: ClientTunnel): void {
    const pooled = this.#pooled.get(tunnel)
    if (pooled === undefined) return
    clearTimeout(pooled.timer)
    this.#pooled.delete(tunnel)
    const tunnels = this.#byKey.get(pooled.key)
    tunnels?.delete(pooled)
    if (tunnels?.size === 0) this.#byKey.delete(pooled.key)
  }
}

async function beforeOrAbort(before: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return await before
  const { promise, resolve } = Promise.withResolvers<void>()
  const onAbort = (): void => resolve()
  signal.addEventListener('abort', onAbort)
  if (signal.aborted) resolve()
  await Promise.race([before, promise])
  signal.removeEventListener('abort', onAbort)
}

function poolKey({ identity, expectedIdentities, to, applicationIp }: TunnelRequest): string {
  return JSON.stringify([identity, expectedIdentities, to.ip, to.port, applicationIp])
}

const TIMEOUTS: ReadonlySet<unknown> = new Set(['ETIMEDOUT', 'NETNS_CONNECT_TIMEOUT', 'HBONE_CONNECT_TIMEOUT'])

function dialError(to: Address, cause: unknown): HboneError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const timedOut = cause instanceof Error && 'code' in cause && TIMEOUTS.has(cause.code)
  return new HboneError(
    timedOut ? 'HBONE_CONNECT_TIMEOUT' : 'HBONE_CONNECT',
    `cannot connect to ${formatAddress(to)}: ${reason}`,
    { cause }
  )
}
