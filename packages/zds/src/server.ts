import { randomUUID } from 'node:crypto'
import { listenSeqpacket, type Netns, type SeqpacketListener, type SeqpacketSocket } from '@culvert/netns'
import { type Clock, systemClock } from '@culvert/clock'
import { ZdsError } from './errors.ts'
import type { ZdsLog } from './log.ts'
import type { WorkloadInfo } from './messages.ts'
import { type ServerConnection, serveConnection } from './server-connection.ts'

/** A pod of the snapshot. Without a namespace it is sent as `keep`: it exists, do not stop its proxy. */
export interface SnapshotPod {
  readonly uid: string
  readonly info: WorkloadInfo
  readonly netns: Netns | undefined
}

export interface ZdsServerOptions {
  readonly path: string
  /** Called for each ztunnel that connects, at the moment its snapshot is taken. */
  readonly snapshot: () => readonly SnapshotPod[]
  readonly log: ZdsLog
  readonly clock?: Clock
  readonly onConnectionCount?: (count: number) => void
}

/** The node agent's end of ZDS (docs/spec/zds.md 2). */
export interface ZdsServer {
  /** Binds the socket. Clients can connect and wait from now on. */
  listen(): void
  /** Starts serving those who wait. */
  accept(): void
  /**
   * Sends the pod to the latest ztunnel and waits for its answer. When only the caller gives up, the request is sent all
   * the same. The namespace handle may be closed as soon as this was called.
   */
  add(uid: string, info: WorkloadInfo, netns: Netns, options?: { signal?: AbortSignal }): Promise<void>
  /** Tells every ztunnel, one after another; a nack counts as done, as does having no ztunnel. */
  delete(uid: string, options?: { signal?: AbortSignal }): Promise<void>
  /** Ends all connections and removes the socket file. Repeatable. */
  close(): Promise<void>
}

/** A ztunnel that connects in a loop must not exhaust memory: 5 accepts per second, burst 1. */
const millisecondsPerAccept = 200

export function createZdsServer(options: ZdsServerOptions): ZdsServer {
  return new Server(options)
}

class Server implements ZdsServer {
  readonly #options: ZdsServerOptions
  readonly #clock: Clock
  /** In accept order: the last one is the latest, which gets the adds. */
  readonly #connections: ServerConnection[] = []
  #listener: SeqpacketListener | undefined
  #cancelAccept: (() => void) | undefined
  #closed = false

  constructor(options: ZdsServerOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  listen(): void {
    if (this.#closed) throw new ZdsError('ZDS_CLOSED', 'the server was closed before')
    this.#listener ??= listenSeqpacket(this.#options.path, {
      paused: true,
      onConnection: socket => this.#serve(socket),
      onError: error => this.#options.log.warn('cannot accept a ztunnel connection', { error: error.message })
    })
  }

  accept(): void {
    this.listen()
    this.#listener?.resume()
  }

  async add(uid: string, info: WorkloadInfo, netns: Netns, options: { signal?: AbortSignal } = {}): Promise<void> {
    const latest = this.#connections.at(-1)
    if (latest === undefined) throw new ZdsError('ZDS_NO_CONNECTION', 'no ztunnel connection')
    const nack = await latest.request({ kind: 'add', uid, info }, netns, options.signal)
    if (nack !== undefined) throw new ZdsError('ZDS_NACK', `got ack error: ${nack}`)
  }

  async delete(uid: string, options: { signal?: AbortSignal } = {}): Promise<void> {
    const failures: unknown[] = []
    for (const connection of [...this.#connections]) {
      try {
        const nack = await connection.request({ kind: 'delete', uid }, undefined, options.signal)
        if (nack !== undefined) this.#options.log.warn('ztunnel refused a delete', { uid, error: nack })
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length === 1) throw failures[0]
    if (failures.length > 1) {
      const cause = new AggregateError(failures)
      throw new ZdsError('ZDS_SEVERAL', failures.map(error => (error as Error).message).join('\n'), { cause })
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cancelAccept?.()
    this.#listener?.close()
    const ending = this.#connections.map(connection => connection.ended)
    for (const connection of this.#connections) connection.close()
    await Promise.all(ending)
  }

  #serve(socket: SeqpacketSocket): void {
    this.#listener?.pause()
    this.#cancelAccept = this.#clock.after(millisecondsPerAccept, () => this.#listener?.resume())
    const { log, snapshot, onConnectionCount } = this.#options
    // In the list before its snapshot is taken, so that what changes meanwhile is queued behind the snapshot.
    const connection = serveConnection({ id: randomUUID(), socket, snapshot, log, clock: this.#clock })
    this.#connections.push(connection)
    onConnectionCount?.(this.#connections.length)
    void connection.ended.then(() => {
      this.#connections.splice(this.#connections.indexOf(connection), 1)
      onConnectionCount?.(this.#connections.length)
    })
  }
}
