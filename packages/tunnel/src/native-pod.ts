import type { FailureCode, NativeEngine, NativeEvents, PodId } from '@culvert/native-tunnel'
import type {
  ConnectionId,
  Endpoint,
  Failure,
  HeaderField,
  ListenerRole,
  Outcome,
  PodHandler,
  PodPath
} from './data-path.ts'
import type { TunnelLog } from './log.ts'
import type { NativeCredentials } from './native-credentials.ts'
import { type Decision, tellDecision } from './native-decisions.ts'

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

/** What the engine says of one pod. */
type Events = {
  readonly [Kind in keyof NativeEvents]: NativeEvents[Kind] extends (pod: PodId, ...values: infer Values) => void
    ? (...values: Values) => void
    : never
}

/** One pod of the engine: its events to the handler's questions, the handler's answers to decisions. */
export class NativePod implements PodPath, Events {
  readonly listeners: readonly Endpoint[]
  readonly originalSource: boolean
  readonly #id: number
  readonly #handler: PodHandler
  readonly #log: TunnelLog
  readonly #commands: () => NativeEngine
  readonly #credentials: NativeCredentials
  /** Asked and not yet answered; with what became of the connection meanwhile. */
  readonly #undecided = new Map<ConnectionId, Outcome | undefined>()
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

  connection(
    id: ConnectionId,
    role: 'outbound' | 'inbound-plaintext',
    sourceIp: string,
    sourcePort: number,
    destinationIp: string,
    destinationPort: number
  ): void {
    const source = { ip: sourceIp, port: sourcePort }
    const destination = { ip: destinationIp, port: destinationPort }
    this.#ask(id, () => this.#handler.connection({ id, role, source, destination }))
  }

  socks5(id: ConnectionId, sourceIp: string, sourcePort: number, host: string, port: number, isName: boolean): void {
    const source = { ip: sourceIp, port: sourcePort }
    const target = isName ? { name: Buffer.from(host, 'latin1') } : { ip: host }
    this.#ask(id, () => this.#handler.socks5({ id, source, target, port }))
  }

  stream(
    id: ConnectionId,
    sourceIp: string,
    sourcePort: number,
    localIp: string,
    localPort: number,
    peerIdentity: string | undefined,
    method: string,
    authority: string | undefined,
    ...lines: readonly string[]
  ): void {
    const source = { ip: sourceIp, port: sourcePort }
    const local = { ip: localIp, port: localPort }
    const headers = pairs(lines)
    this.#ask(id, () => this.#handler.stream({ id, source, local, peerIdentity, method, authority, headers }))
  }

  credential(id: ConnectionId, peerIp: string, peerPort: number, localIp: string, localPort: number): void {
    this.#finish(this.#giveCredential(id, { ip: peerIp, port: peerPort }, { ip: localIp, port: localPort }))
  }

  handshakeFailed(peerIp: string, peerPort: number, localIp: string, localPort: number, message: string): void {
    const [peer, local] = [
      { ip: peerIp, port: peerPort },
      { ip: localIp, port: localPort }
    ]
    this.#handler.handshakeFailed({ peer, local, message })
  }

  peerRevoked(isServer: boolean): void {
    this.#handler.peerRevoked(isServer ? 'server' : 'client')
  }

  sockets(role: ListenerRole, opened: number, closed: number): void {
    this.#handler.sockets({ role, opened, closed })
  }

  opened(id: ConnectionId, peerIdentity: string | undefined, ...baggage: readonly string[]): void {
    this.#handler.opened({
      id,
      ...(peerIdentity === undefined ? {} : { peerIdentity }),
      ...(baggage.length === 0 ? {} : { baggage })
    })
  }

  progress(id: ConnectionId, fromClient: number, toClient: number): void {
    this.#handler.progress([{ id, fromClient, toClient }])
  }

  closed(
    id: ConnectionId,
    fromClient: number,
    toClient: number,
    untoldFromClient: number,
    untoldToClient: number,
    duration: number,
    code?: FailureCode,
    detail = '',
    status?: number
  ): void {
    if (untoldFromClient > 0 || untoldToClient > 0) this.progress(id, untoldFromClient, untoldToClient)
    const ended = { id, fromClient, toClient, duration }
    const outcome = code === undefined ? ended : { ...ended, failure: worded(code, detail, status) }
    // Who was never decided about has an outcome only once the decision is there.
    if (this.#undecided.has(id)) this.#undecided.set(id, outcome)
    else this.#handler.closed(outcome)
  }

  ended(finished: number, cut: number): void {
    this.#ended.resolve({ finished, cut })
  }

  warning(message: string): void {
    this.#log.warn(message)
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
    this.#finish(
      answer.then(
        decision => this.#decide(id, decision),
        (error: unknown) => this.#handlerFailed(id, error)
      )
    )
  }

  #decide(id: ConnectionId, decision: Decision): void {
    const gone = this.#undecided.get(id)
    this.#undecided.delete(id)
    if (gone === undefined) {
      tellDecision(this.#commands(), this.#credentials, this.#id, id, decision)
      return
    }
    // A stream that its peer gave up would have been refused anyway.
    const failed = gone.failure?.code !== 'CONNECTION_FAILED' || decision.kind === 'direct'
    const { failure: _, ...unfailed } = gone
    this.#handler.closed(failed ? gone : unfailed)
  }

  /** A handler that throws is a mistake of ours: the connection ends, the pod goes on. */
  #handlerFailed(id: ConnectionId, error: unknown): void {
    this.#log.warn(`connection ${id} failed: ${error instanceof Error ? error.stack : String(error)}`)
    const gone = this.#undecided.get(id)
    this.#undecided.delete(id)
    if (gone !== undefined) this.#handler.closed(gone)
    else this.#commands().refuse(this.#id, id, 'IO', error instanceof Error ? error.message : String(error))
  }

  /** A handler that throws behind an answer is a mistake of ours, as at an event: nobody else takes its rejection. */
  #finish(answered: Promise<void>): void {
    answered.catch((error: unknown) => {
      this.#log.warn(`a handler failed: ${error instanceof Error ? error.stack : String(error)}`)
    })
  }

  async #giveCredential(id: ConnectionId, peer: Endpoint, local: Endpoint): Promise<void> {
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

function pairs(lines: readonly string[]): readonly HeaderField[] {
  return Array.from({ length: lines.length / 2 }, (_, i) => [lines[2 * i] ?? '', lines[2 * i + 1] ?? ''] as const)
}

function worded(code: FailureCode, detail: string, status: number | undefined): Failure {
  if (status === undefined) return { code, detail }
  // An import of it would cost 6 MB: packages/telemetry/src/node-http.ts.
  const { STATUS_CODES } = process.getBuiltinModule('node:http')
  return { code, detail: `${status} ${STATUS_CODES[status] ?? '<unknown status code>'}`, status }
}
