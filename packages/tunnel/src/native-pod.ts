import type { NativeDecision, NativeEngine, NativeEvent, NativeHop } from '@culvert/native-tunnel'
import { STATUS_CODES } from 'node:http'
import type {
  ConnectionDecision,
  ConnectionId,
  Endpoint,
  Failure,
  Hop,
  Outcome,
  PodHandler,
  PodPath,
  StreamDecision
} from './data-path.ts'
import type { TunnelLog } from './log.ts'
import type { NativeCredentials } from './native-credentials.ts'

export interface NativePodParts {
  readonly id: number
  readonly listeners: readonly Endpoint[]
  readonly originalSource: boolean
  readonly handler: PodHandler
  readonly log: TunnelLog
  /** The engine; what it is told reaches it with everything else of this turn. */
  readonly commands: () => NativeEngine
  readonly credentials: NativeCredentials
}

type Of<K extends NativeEvent['kind']> = Extract<NativeEvent, { readonly kind: K }>

/** One pod of the engine: its events to the handler's questions, the handler's answers to decisions. */
export class NativePod implements PodPath {
  readonly listeners: readonly Endpoint[]
  readonly originalSource: boolean
  readonly #id: number
  readonly #handler: PodHandler
  readonly #log: TunnelLog
  readonly #commands: () => NativeEngine
  readonly #credentials: NativeCredentials
  /** Asked and not yet answered; with what became of the connection meanwhile. */
  readonly #undecided = new Map<ConnectionId, Of<'closed'> | undefined>()
  readonly #ended = Promise.withResolvers<{ readonly finished: number; readonly cut: number }>()

  constructor({ id, listeners, originalSource, handler, log, commands, credentials }: NativePodParts) {
    this.listeners = listeners
    this.originalSource = originalSource
    this.#id = id
    this.#handler = handler
    this.#log = log
    this.#commands = commands
    this.#credentials = credentials
  }

  /** Nobody's answer is awaited any more. */
  get idle(): boolean {
    return this.#undecided.size === 0
  }

  cut(id: ConnectionId): void {
    this.#commands().cut(this.#id, id)
  }

  async drain({
    deadline
  }: {
    readonly deadline: AbortSignal
  }): Promise<{ readonly finished: number; readonly cut: number }> {
    this.#commands().drain(this.#id)
    const onDeadline = (): void => this.#commands().drainDeadline(this.#id)
    deadline.addEventListener('abort', onDeadline)
    if (deadline.aborted) onDeadline()
    try {
      return await this.#ended.promise
    } finally {
      deadline.removeEventListener('abort', onDeadline)
    }
  }

  async close(): Promise<void> {
    this.#commands().close(this.#id)
    await this.#ended.promise
  }

  onEvent(event: NativeEvent): void {
    switch (event.kind) {
      case 'connection': {
        const { id, role, source, destination } = event
        this.#ask(id, () => this.#handler.connection({ id, role, source, destination }))
        break
      }
      case 'stream': {
        const { id, source, local, peerIdentity, method, authority, headers } = event
        this.#ask(id, () => this.#handler.stream({ id, source, local, peerIdentity, method, authority, headers }))
        break
      }
      case 'credential':
        void this.#giveCredential(event)
        break
      case 'handshake-failed':
        this.#handler.handshakeFailed({ peer: event.peer, local: event.local, message: event.message })
        break
      case 'socket':
        this.#handler.socket({ role: event.role, open: event.open })
        break
      case 'opened': {
        const { id, peerIdentity, baggage } = event
        this.#handler.opened({
          id,
          ...(peerIdentity === undefined ? {} : { peerIdentity }),
          ...(baggage.length === 0 ? {} : { baggage })
        })
        break
      }
      case 'progress':
        this.#handler.progress([{ id: event.id, fromClient: event.fromClient, toClient: event.toClient }])
        break
      case 'closed':
        // Who was never decided about has an outcome only once the decision is there.
        if (this.#undecided.has(event.id)) this.#undecided.set(event.id, event)
        else this.#handler.closed(outcome(event))
        break
      case 'ended':
        this.#ended.resolve({ finished: event.finished, cut: event.cut })
        break
      case 'warning':
        this.#log.warn(event.message)
    }
  }

  #ask(id: ConnectionId, question: () => Decision | Promise<Decision>): void {
    this.#undecided.set(id, undefined)
    let answer: Decision | Promise<Decision>
    try {
      answer = question()
    } catch (error) {
      this.#handlerFailed(id, error)
      return
    }
    if (!(answer instanceof Promise)) {
      this.#decide(id, answer)
      return
    }
    answer.then(
      decision => this.#decide(id, decision),
      (error: unknown) => this.#handlerFailed(id, error)
    )
  }

  #decide(id: ConnectionId, decision: Decision): void {
    const gone = this.#undecided.get(id)
    this.#undecided.delete(id)
    if (gone === undefined) {
      this.#commands().decide(this.#id, id, this.#native(decision))
      return
    }
    // A stream that its peer gave up would have been refused anyway.
    const failed = gone.failure?.code !== 'CONNECTION_FAILED' || decision.kind === 'direct'
    const { failure: _, ...unfailed } = gone
    this.#handler.closed(outcome(failed ? gone : unfailed))
  }

  /** A handler that throws is a mistake of ours: the connection ends, the pod goes on. */
  #handlerFailed(id: ConnectionId, error: unknown): void {
    this.#log.warn(`connection ${id} failed: ${error instanceof Error ? error.stack : String(error)}`)
    this.#undecided.delete(id)
    const failure: Failure = { code: 'IO', detail: error instanceof Error ? error.message : String(error) }
    this.#commands().decide(this.#id, id, { kind: 'refuse', failure })
  }

  #native(decision: Decision): NativeDecision {
    if (decision.kind !== 'tunnel') return decision
    try {
      const { to, outer, inner } = decision
      return {
        kind: 'tunnel',
        to,
        outer: this.#nativeHop(outer),
        ...(inner === undefined ? {} : { inner: this.#nativeHop(inner) })
      }
    } catch (error) {
      return {
        kind: 'refuse',
        failure: { code: 'TLS', detail: error instanceof Error ? error.message : String(error) }
      }
    }
  }

  #nativeHop(hop: Hop): NativeHop {
    try {
      return { ...hop, credential: this.#credentials.get(hop.credential) }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new Error(`credential '${hop.credential.id}' cannot be used: ${reason}`, { cause: error })
    }
  }

  async #giveCredential({ id, peer, local }: Of<'credential'>): Promise<void> {
    try {
      const credential = await this.#handler.serverCredential(peer, local)
      this.#commands().giveCredential(this.#id, id, credential && this.#credentials.get(credential))
    } catch (error) {
      this.#commands().giveCredential(this.#id, id, undefined)
      const reason = error instanceof Error ? error.message : String(error)
      this.#handler.handshakeFailed({ peer, local, message: `tls handshake error: ${reason}` })
    }
  }
}

type Decision = ConnectionDecision | StreamDecision

function outcome({ id, fromClient, toClient, duration, failure }: Omit<Of<'closed'>, 'pod' | 'kind'>): Outcome {
  return { id, fromClient, toClient, duration, ...(failure === undefined ? {} : { failure: worded(failure) }) }
}

function worded(failure: Failure): Failure {
  if (failure.status === undefined) return failure
  return { ...failure, detail: `${failure.status} ${STATUS_CODES[failure.status] ?? '<unknown status code>'}` }
}
