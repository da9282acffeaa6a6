import { credential, Engine, type NativeEngine, type NativeEvents, type PodId } from '@culvert/native-tunnel'
import type { DataPath, PodHandler, PodOptions, PodPath } from './data-path.ts'
import { TunnelError } from './errors.ts'
import type { TunnelLog } from './log.ts'
import { NativeCredentials, type TlsProfile } from './native-credentials.ts'
import { NativePod } from './native-pod.ts'
import { QuietAfterBurst } from './quiet-after-burst.ts'

export interface DataPathOptions {
  readonly log: TunnelLog
  /**
   * Data threads from the start; while one of them needs more than a CPU, another is used, up to `mostThreads`.
   * Default 1, and no more than that.
   */
  readonly threads?: number
  readonly mostThreads?: number
  readonly limits?: DataPathLimits
  readonly tls?: DataPathTls
}

/** Without `tls12` and `postQuantumOnly`: TLS 1.3 alone, with every group of the specification. */
export interface DataPathTls extends Partial<TlsProfile> {
  /** TLS records by the engine itself after OpenSSL's handshake, or all of it by OpenSSL. Default 'own'. */
  readonly records?: 'own' | 'openssl'
  /** The engine's own records under one key, before a KeyUpdate. Default 2^22, well below the limit of AES-GCM. */
  readonly recordsPerKey?: number
}

/** docs/spec/hbone.md 6. */
const DEFAULT_MAX_TUNNELS = 500

const DEFAULT_RECORDS_PER_KEY = 2 ** 22

/**
 * What the data path takes on in all, over its pods; 0 for no limit. At a limit new work is refused, and the log says
 * why: connections are closed as they are accepted, streams are reset with REFUSED_STREAM. What has begun goes on; but
 * while too many bytes are held, tunnels and applications of which some are held are not read any further.
 */
export interface DataPathLimits {
  /** Accepted sockets: captured connections, and tunnels from other nodes. Default 0. */
  readonly connections?: number
  /** CONNECT streams from other nodes. Default 0. */
  readonly streams?: number
  /**
   * Bytes held in user space for those who do not take them. Default 1 GiB. What is under way when it is reached comes on
   * top: two MiB for each data thread, some ten KiB for each connection and tunnel.
   */
  readonly bufferedBytes?: number
}

const DEFAULT_BUFFERED_BYTES = 1_073_741_824

export interface EngineDataPath extends DataPath {
  /**
   * Revocation lists, DER: docs/spec/identity-ca.md 4.8. New handshakes go by them, live connections of peers whose path
   * is revoked now end with REVOKED. While this was never called nobody looks, and what began then is never revoked.
   * @throws when one cannot be parsed; nothing has changed then
   */
  revoke: (lists: readonly Uint8Array[]) => void
  /** Connections and tunnels on each data thread in use. */
  loads: () => readonly number[]
}

/** The data path over native/tunnel: bytes move on threads of its own, this thread only decides. */
export function createDataPath(options: DataPathOptions): EngineDataPath {
  return new NativeDataPath(options)
}

class NativeDataPath implements EngineDataPath {
  readonly #log: TunnelLog
  readonly #engine: NativeEngine
  readonly #credentials: NativeCredentials
  readonly #tls: { readonly ownRecords: boolean; readonly recordsPerKey: number }
  readonly #pods = new Map<number, NativePod>()
  #flushing = false
  readonly #quiet: QuietAfterBurst = new QuietAfterBurst(() => this.#engine.trim())
  #closed = false

  constructor({ log, threads = 1, mostThreads = threads, limits = {}, tls = {} }: DataPathOptions) {
    this.#log = log
    this.#tls = {
      ownRecords: tls.records !== 'openssl',
      recordsPerKey: Math.max(1, tls.recordsPerKey ?? DEFAULT_RECORDS_PER_KEY)
    }
    this.#credentials = new NativeCredentials(credential, { tls12: false, postQuantumOnly: false, ...tls })
    this.#engine = new Engine(
      threads,
      mostThreads,
      {
        connections: limits.connections ?? 0,
        streams: limits.streams ?? 0,
        bufferedBytes: limits.bufferedBytes ?? DEFAULT_BUFFERED_BYTES
      },
      this.#events()
    )
  }

  async open(options: PodOptions, handler: PodHandler): Promise<PodPath> {
    if (this.#closed) throw new TunnelError('TUNNEL_CLOSED', 'the data path was closed')
    const netns = options.netns === undefined ? -1 : options.netns.fd
    let opened: ReturnType<NativeEngine['open']>
    try {
      opened = this.#commands().open({
        ...options,
        netns,
        tls: this.#tls,
        pool: { maxTunnels: DEFAULT_MAX_TUNNELS, ...options.pool }
      })
    } catch (error) {
      throw new TunnelError('TUNNEL_BIND', error instanceof Error ? error.message : String(error), { cause: error })
    }
    const { pod: id, listeners, originalSource } = opened
    const pod = new NativePod({
      id,
      listeners,
      originalSource,
      handler,
      log: this.#log,
      commands: () => this.#commands(),
      credentials: this.#credentials
    })
    // No event of it can have come yet: they come on this thread, in batches.
    this.#pods.set(id, pod)
    return pod
  }

  revoke(lists: readonly Uint8Array[]): void {
    this.#commands().revoke(lists)
  }

  loads(): readonly number[] {
    return this.#engine.loads()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await Promise.all([...this.#pods.values()].map(pod => pod.close()))
    this.#quiet.stop()
    this.#engine.stop()
  }

  /** The engine, with a flush after this turn: answers to one batch of events are one batch too. */
  #commands(): NativeEngine {
    if (!this.#flushing) {
      this.#flushing = true
      queueMicrotask(() => {
        this.#flushing = false
        this.#engine.flush()
      })
    }
    return this.#engine
  }

  #events(): NativeEvents {
    return {
      connection: (pod, ...values) => this.#tell(pod, told => told.connection(...values)),
      stream: (pod, ...values) => this.#tell(pod, told => told.stream(...values)),
      credential: (pod, ...values) => this.#tell(pod, told => told.credential(...values)),
      handshakeFailed: (pod, ...values) => this.#tell(pod, told => told.handshakeFailed(...values)),
      sockets: (pod, ...values) => this.#tell(pod, told => told.sockets(...values)),
      opened: (pod, ...values) => this.#tell(pod, told => told.opened(...values)),
      progress: (pod, ...values) => this.#tell(pod, told => told.progress(...values)),
      closed: (pod, ...values) => {
        this.#quiet.count()
        this.#tell(pod, told => told.closed(...values))
      },
      socks5: (pod, ...values) => this.#tell(pod, told => told.socks5(...values)),
      peerRevoked: (pod, ...values) => this.#tell(pod, told => told.peerRevoked(...values)),
      warning: (pod, ...values) => this.#tell(pod, told => told.warning(...values)),
      ended: (pod, ...values) =>
        this.#tell(pod, told => {
          told.ended(...values)
          this.#pods.delete(pod)
        })
    }
  }

  #tell(id: PodId, event: (pod: NativePod) => void): void {
    const pod = this.#pods.get(id)
    if (pod === undefined) return
    try {
      event(pod)
    } catch (error) {
      // A handler that throws is a mistake of ours; the events behind this one are about other connections.
      this.#log.warn(`a handler failed: ${error instanceof Error ? error.stack : String(error)}`)
    }
  }
}
