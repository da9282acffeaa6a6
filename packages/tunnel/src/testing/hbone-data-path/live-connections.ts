import type { Join } from '@culvert/hbone'
import type { ConnectionId, Failure, Outcome, PodHandler } from '../../data-path.ts'
import { joinFailure } from './failure.ts'

// Often enough for metrics that are scraped every few seconds.
const PROGRESS_INTERVAL = 1000

type CutReason = 'CUT' | 'DRAINED'

/** One connection or stream from its accept to its outcome. */
export class LiveConnection {
  readonly id: ConnectionId
  readonly acceptedAt: number = performance.now()
  /** Aborts dials on its behalf. */
  readonly abort: AbortController = new AbortController()
  cutReason: CutReason | undefined
  /** Its handler has answered. */
  decided = false
  join: Join | undefined
  /** Of the join, already told in a batch. */
  toldFromClient = 0
  toldToClient = 0
  /** Closes the client's side before a join stands. */
  readonly #dropClient: () => void

  constructor(id: ConnectionId, dropClient: () => void) {
    this.id = id
    this.#dropClient = dropClient
  }

  cut(reason: CutReason): void {
    if (this.cutReason !== undefined) return
    this.cutReason = reason
    this.abort.abort(new Error(reason))
    if (this.join === undefined) this.#dropClient()
    else this.join.abort()
  }
}

/** The connections of one pod, and what its handler hears about them. */
export class LiveConnections {
  readonly #handler: PodHandler
  readonly #live = new Map<ConnectionId, LiveConnection>()
  /** Cut with all others before they were decided: their outcomes come with their decisions, nobody waits for them. */
  readonly #leftUndecided = new Set<LiveConnection>()
  readonly #nextId: () => ConnectionId
  #timer: NodeJS.Timeout | undefined
  #onEmpty: (() => void) | undefined

  constructor(handler: PodHandler, nextId: () => ConnectionId) {
    this.#handler = handler
    this.#nextId = nextId
  }

  get size(): number {
    return this.#live.size
  }

  add(dropClient: () => void): LiveConnection {
    const connection = new LiveConnection(this.#nextId(), dropClient)
    this.#live.set(connection.id, connection)
    this.#timer ??= setInterval(() => this.#tellProgress([...this.#live.values()]), PROGRESS_INTERVAL).unref()
    return connection
  }

  cut(id: ConnectionId, reason: CutReason): void {
    this.#live.get(id)?.cut(reason)
  }

  cutAll(reason: CutReason): void {
    for (const connection of [...this.#live.values()]) {
      connection.cut(reason)
      if (connection.decided) continue
      this.#live.delete(connection.id)
      this.#leftUndecided.add(connection)
    }
    this.#checkEmpty()
  }

  /** Waits for both directions and tells the outcome. */
  async follow(connection: LiveConnection, join: Join): Promise<void> {
    connection.join = join
    if (connection.cutReason !== undefined) join.abort()
    const failure = await join.done
    this.#tellProgress([connection])
    this.finish(connection, failure === undefined ? undefined : joinFailure(failure))
  }

  /** The outcome of a connection; how it was cut outranks what that broke. */
  finish(connection: LiveConnection, failure?: Failure): void {
    if (!this.#live.delete(connection.id) && !this.#leftUndecided.delete(connection)) return
    const { id, join, cutReason } = connection
    const shown: Failure | undefined = cutReason === undefined ? failure : { code: cutReason, detail: '' }
    const outcome: Outcome = {
      id,
      fromClient: join?.fromClient ?? 0,
      toClient: join?.toClient ?? 0,
      duration: performance.now() - connection.acceptedAt,
      ...(shown === undefined ? {} : { failure: shown })
    }
    this.#handler.closed(outcome)
    this.#checkEmpty()
  }

  #checkEmpty(): void {
    if (this.#live.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#onEmpty?.()
  }

  async empty(): Promise<void> {
    if (this.#live.size === 0) return
    await new Promise<void>(resolve => {
      const before = this.#onEmpty
      this.#onEmpty = () => {
        before?.()
        this.#onEmpty = undefined
        resolve()
      }
    })
  }

  #tellProgress(connections: readonly LiveConnection[]): void {
    const batch = connections.flatMap(connection => {
      const { join, id, toldFromClient, toldToClient } = connection
      if (join === undefined) return []
      const fromClient = join.fromClient - toldFromClient
      const toClient = join.toClient - toldToClient
      if (fromClient === 0 && toClient === 0) return []
      connection.toldFromClient += fromClient
      connection.toldToClient += toClient
      return [{ id, fromClient, toClient }]
    })
    if (batch.length > 0) this.#handler.progress(batch)
  }
}
