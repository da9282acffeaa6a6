import type { Netns } from '@culvert/netns'
import type {
  CapturedConnection,
  ConnectionDecision,
  Credential,
  DataPath,
  Endpoint,
  InboundStream,
  ListenerRole,
  Opened,
  Outcome,
  PodHandler,
  PodOptions,
  PodPath,
  Progress,
  Socks5Request,
  StreamDecision,
  SocketsChange
} from '../data-path.ts'

export interface TestPodOptions {
  readonly netns?: Netns
  /** Where the listeners bind, all on ports of the kernel's choice unless `ports` says otherwise. Default 127.0.0.1. */
  readonly ip?: string
  readonly ports?: Partial<Record<ListenerRole, number>>
  readonly credential?: Credential | undefined
  readonly sockets?: Partial<PodOptions['sockets']>
  readonly http2?: Partial<PodOptions['http2']>
  readonly pool?: Partial<PodOptions['pool']>
  readonly halfFailedTimeout?: number
  readonly connection?: (connection: CapturedConnection) => ConnectionDecision | Promise<ConnectionDecision>
  /** With it the pod has a SOCKS5 listener too. */
  readonly socks5?: (request: Socks5Request) => ConnectionDecision | Promise<ConnectionDecision>
  readonly stream?: (stream: InboundStream) => StreamDecision | Promise<StreamDecision>
}

const ROLES: readonly ListenerRole[] = ['outbound', 'inbound-plaintext', 'inbound-hbone', 'socks5']

/** A pod of the data path under test, with a handler that decides as told and remembers what it hears. */
export class TestPod implements PodHandler {
  readonly captured: CapturedConnection[] = []
  readonly streams: InboundStream[] = []
  readonly socks5Requests: Socks5Request[] = []
  readonly opens: Opened[] = []
  readonly outcomes: Outcome[] = []
  readonly handshakeFailures: string[] = []
  readonly revokedPeers: ('client' | 'server')[] = []
  /** Sums over all batches. */
  readonly progressed: { fromClient: number; toClient: number } = { fromClient: 0, toClient: 0 }
  /** Batches that came after the outcome of their connection: there must be none. */
  readonly lateProgress: Progress[] = []
  /** HBONE sockets accepted so far and open now. */
  tunnelsAccepted = 0
  tunnelsOpen = 0
  path!: PodPath
  readonly #options: TestPodOptions
  readonly #waiters = new Set<() => void>()

  constructor(options: TestPodOptions) {
    this.#options = options
  }

  static async open(dataPath: DataPath, options: TestPodOptions = {}): Promise<TestPod> {
    const pod = new TestPod(options)
    pod.path = await dataPath.open(podOptions(options), pod)
    return pod
  }

  address(role: ListenerRole): Endpoint {
    return this.path.listeners[ROLES.indexOf(role)]!
  }

  connection(connection: CapturedConnection): ConnectionDecision | Promise<ConnectionDecision> {
    this.captured.push(connection)
    this.#changed()
    return this.#options.connection?.(connection) ?? { kind: 'refuse' }
  }

  stream(stream: InboundStream): StreamDecision | Promise<StreamDecision> {
    this.streams.push(stream)
    this.#changed()
    return this.#options.stream?.(stream) ?? { kind: 'answer', status: 400 }
  }

  socks5(request: Socks5Request): ConnectionDecision | Promise<ConnectionDecision> {
    this.socks5Requests.push(request)
    this.#changed()
    return this.#options.socks5?.(request) ?? { kind: 'refuse' }
  }

  async serverCredential(): Promise<Credential | undefined> {
    return this.#options.credential
  }

  handshakeFailed({ message }: { readonly message: string }): void {
    this.handshakeFailures.push(message)
    this.#changed()
  }

  peerRevoked(peer: 'client' | 'server'): void {
    this.revokedPeers.push(peer)
    this.#changed()
  }

  sockets({ role, opened, closed }: SocketsChange): void {
    if (role !== 'inbound-hbone') return
    this.tunnelsAccepted += opened
    this.tunnelsOpen += opened - closed
    this.#changed()
  }

  opened(opened: Opened): void {
    this.opens.push(opened)
    this.#changed()
  }

  progress(batch: readonly Progress[]): void {
    for (const progress of batch) {
      if (this.outcomes.some(({ id }) => id === progress.id)) this.lateProgress.push(progress)
      this.progressed.fromClient += progress.fromClient
      this.progressed.toClient += progress.toClient
    }
    this.#changed()
  }

  closed(outcome: Outcome): void {
    this.outcomes.push(outcome)
    this.#changed()
  }

  /** The outcome at this place in the order of their coming. */
  async outcome(index = 0): Promise<Outcome> {
    await this.until(() => this.outcomes.length > index)
    return this.outcomes[index]!
  }

  /** Waits until something this handler hears makes the condition true. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>(resolve => this.#waiters.add(resolve))
    }
  }

  #changed(): void {
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    for (const wake of waiters) wake()
  }
}

function podOptions(options: TestPodOptions): PodOptions {
  const { netns, ip = '127.0.0.1', ports = {}, sockets, http2, pool, socks5, halfFailedTimeout } = options
  const roles = ROLES.filter(role => role !== 'socks5' || socks5 !== undefined)
  return {
    netns,
    listeners: roles.map(role => ({ role, ip, port: ports[role] ?? 0 })),
    sockets: {
      mark: 0,
      listenerMark: sockets?.mark ?? 0,
      reusePort: false,
      originalSource: 'never',
      keepalive: { idle: 180_000, interval: 180_000, retries: 9 },
      userTimeout: false,
      connectTimeout: 10_000,
      handshakeTimeout: 0,
      ...sockets
    },
    http2: { streamWindow: 4_194_304, connectionWindow: 16_777_216, maxFrameSize: 1_048_576, ...http2 },
    pool: { maxStreamsPerTunnel: 100, unusedRelease: 300_000, ...pool },
    halfFailedTimeout
  }
}
