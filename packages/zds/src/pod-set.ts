import { type Netns, sameNetns } from '@culvert/netns'
import type { ZdsHandler } from './client.ts'
import { type Clock, systemClock } from '@culvert/clock'
import { reasonOf, ZdsError } from './errors.ts'
import type { ZdsLog } from './log.ts'
import type { WorkloadInfo } from './messages.ts'

/** A pod whose proxy is to be started. The handle stays the pod set's, open until the proxy is gone. */
export interface Pod {
  readonly uid: string
  readonly info: WorkloadInfo
  readonly netns: Netns
}

/** The running proxy of one pod. */
export interface PodProxy {
  /** Closes listeners and cuts every connection; resolves when it is gone. Nobody waits for it but `drain`. */
  close(): Promise<void>
  /** Closes listeners, lets connections finish until the deadline aborts; resolves when it is gone. */
  drain(options: { deadline: AbortSignal }): Promise<void>
}

export interface PodSetOptions {
  /** Binds every listener of the pod, or rejects and leaves nothing behind. */
  readonly start: (pod: Pod) => Promise<PodProxy>
  readonly log: ZdsLog
  readonly clock?: Clock
  /** Whether the snapshot is complete and nothing is pending; called on changes only, first value false. */
  readonly onReady?: (ready: boolean) => void
  readonly onStarted?: (uid: string) => void
  readonly onStopped?: (uid: string) => void
  /** Called when upstream refreshes its gauges: not for a delete of a merely pending pod, not for a reconnect. */
  readonly onCounts?: (counts: { active: number; pending: number }) => void
}

/** Which pods have a running proxy (docs/spec/zds.md 3.4–3.7). Knows nothing about sockets. */
export interface PodSet extends ZdsHandler {
  readonly running: readonly Pod[]
  readonly pending: readonly Pod[]
  /** Ends all proxies in parallel; nothing is started any more. */
  drain(options: { deadline: AbortSignal }): Promise<void>
}

export function createPodSet(options: PodSetOptions): PodSet {
  return new Pods(options)
}

/** Milliseconds from the first failed start to the next attempt at everything pending. */
const retryAfter = 5000

interface Running extends Pod {
  readonly proxy: PodProxy
}

class Pods implements PodSet {
  readonly #options: PodSetOptions
  readonly #clock: Clock
  readonly #running = new Map<string, Running>()
  readonly #pending = new Map<string, Pod>()
  /** Proxies on their way out. */
  readonly #ending = new Set<Promise<void>>()
  /** Uids this connection's snapshot has named; undefined once it is complete. */
  #snapshot: Set<string> | undefined = new Set()
  #ready = false
  /** Another object for every connection; undefined while there is none. */
  #connection: object | undefined
  #draining = false
  #cancelRetry: (() => void) | undefined
  /** Messages and retries one after another. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: PodSetOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  get running(): readonly Pod[] {
    return [...this.#running.values()]
  }

  get pending(): readonly Pod[] {
    return [...this.#pending.values()]
  }

  connected(): void {
    this.#connection = {}
    // In turn: a retry of the last connection may still be under way with a handle of a pending pod.
    void this.#inTurn(async () => {
      for (const uid of [...this.#pending.keys()]) this.#dropPending(uid)
      this.#snapshot = new Set()
    })
  }

  disconnected(): void {
    this.#connection = undefined
    // The running proxies go on; the next connection's snapshot decides which of them stay.
    this.#cancelRetry?.()
    this.#cancelRetry = undefined
    this.#setReady(false)
  }

  add(uid: string, info: WorkloadInfo, netns: Netns): Promise<void> {
    return this.#inTurn(async () => {
      this.#snapshot?.add(uid)
      const running = this.#running.get(uid)
      if (running !== undefined && sameNetns(running.netns, netns)) {
        netns.close()
      } else {
        // Another namespace under the same uid: the sandbox was made anew, the old one is of no use to anybody.
        if (running !== undefined) this.#stop(running)
        await this.#start({ uid, info, netns })
      }
      this.#updateReady()
    })
  }

  keep(uid: string): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#snapshot === undefined) throw new ZdsError('ZDS_PROTOCOL', 'pod keep received after snapshot')
      this.#snapshot.add(uid)
      this.#updateReady()
    })
  }

  delete(uid: string): Promise<void> {
    return this.#inTurn(async () => {
      this.#dropPending(uid)
      if (this.#snapshot !== undefined) {
        // A running proxy of that uid is stopped when the snapshot is complete.
        this.#snapshot.delete(uid)
      } else {
        const running = this.#running.get(uid)
        if (running !== undefined) {
          this.#stop(running)
          this.#report()
        }
      }
      this.#updateReady()
    })
  }

  snapshotSent(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#snapshot === undefined) throw new ZdsError('ZDS_PROTOCOL', 'pod snapshot received already')
      for (const pod of [...this.#running.values()]) if (!this.#snapshot.has(pod.uid)) this.#stop(pod)
      this.#snapshot = undefined
      this.#report()
      this.#updateReady()
    })
  }

  async drain(options: { deadline: AbortSignal }): Promise<void> {
    this.#draining = true
    this.#cancelRetry?.()
    this.#cancelRetry = undefined
    await this.#last
    for (const uid of [...this.#pending.keys()]) this.#dropPending(uid)
    for (const pod of [...this.#running.values()]) this.#stop(pod, () => pod.proxy.drain(options))
    await Promise.all(this.#ending)
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work)
    this.#last = turn.catch(() => {})
    return turn
  }

  /** Starts the proxy; on failure the pod, its handle included, waits among the pending. */
  async #start(pod: Pod): Promise<void> {
    try {
      if (this.#draining) throw new ZdsError('ZDS_CLOSED', 'ztunnel is shutting down')
      const proxy = await this.#options.start(pod)
      this.#running.set(pod.uid, { ...pod, proxy })
      if (this.#pending.get(pod.uid) !== pod) this.#dropPending(pod.uid)
      this.#pending.delete(pod.uid)
      this.#options.onStarted?.(pod.uid)
    } catch (error) {
      if (this.#pending.get(pod.uid) !== pod) this.#dropPending(pod.uid)
      this.#pending.set(pod.uid, pod)
      this.#armRetry()
      throw error
    } finally {
      this.#report()
    }
  }

  /** Not awaited by anybody but `drain`: an ack does not wait for connections to end. */
  #stop(pod: Running, end: () => Promise<void> = () => pod.proxy.close()): void {
    this.#running.delete(pod.uid)
    const ending = end()
      .catch(error => {
        this.#options.log.error('the proxy of a pod did not end cleanly', { uid: pod.uid, error: reasonOf(error) })
      })
      .finally(() => {
        // Held until now, so that the inode cannot be reused while sockets of the old pod exist.
        pod.netns.close()
        this.#ending.delete(ending)
      })
    this.#ending.add(ending)
    this.#options.onStopped?.(pod.uid)
  }

  #dropPending(uid: string): void {
    this.#pending.get(uid)?.netns.close()
    this.#pending.delete(uid)
  }

  /** One shot: further failures do not move it. */
  #armRetry(): void {
    // A retry may still fail after its connection has ended: there is nothing to try while there is no other.
    if (this.#draining || this.#connection === undefined) return
    this.#cancelRetry ??= this.#clock.after(retryAfter, () => {
      const cancelled = this.#cancelRetry
      void this.#inTurn(async () => {
        // A disconnect, a new connection or a shutdown came in between: they disarm the timer.
        if (cancelled === undefined || this.#cancelRetry !== cancelled) return
        this.#cancelRetry = undefined
        await this.#retry()
      })
    })
  }

  async #retry(): Promise<void> {
    const connection = this.#connection
    for (const pod of this.pending) {
      if (this.#connection !== connection) return
      try {
        await this.#start(pod)
      } catch (error) {
        this.#options.log.warn('the proxy of a pending pod still does not start', {
          uid: pod.uid,
          error: reasonOf(error)
        })
      }
    }
    if (this.#connection === connection && this.#pending.size === 0) this.#updateReady()
  }

  #report(): void {
    this.#options.onCounts?.({ active: this.#running.size, pending: this.#pending.size })
  }

  #updateReady(): void {
    this.#setReady(this.#snapshot === undefined && this.#pending.size === 0)
  }

  #setReady(ready: boolean): void {
    if (ready === this.#ready) return
    this.#ready = ready
    this.#options.onReady?.(ready)
  }
}
