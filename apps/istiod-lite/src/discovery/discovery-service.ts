import { randomBytes } from 'node:crypto'
import { Metadata, type ServerDuplexStream, status } from '@grpc/grpc-js'
import type { Logger } from '@culvert/telemetry'
import type { DeltaDiscoveryRequest, DeltaDiscoveryResponse } from '@culvert/workloads'
import type { Caller } from '../authority/caller.ts'
import type { Clock } from '@culvert/clock'
import type { Changes, Published } from '../inventory/published.ts'
import { AdmissionError, type ClientNode, checkClaims, readClientNode } from './client-node.ts'
import { createDeltaStream, type DeltaStream } from './delta-stream.ts'
import { createPushQueue } from './push-queue.ts'
import { createRateLimit } from './rate-limit.ts'
import { createStatusHandler, type StatusCall } from './status-stream.ts'
import { writeResponse } from './write-response.ts'

type Call = ServerDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>

/** One client, for the debug pages. */
export interface Connection {
  readonly id: string
  readonly node: ClientNode
  readonly address: string
  readonly connectedAt: number
  readonly stream: DeltaStream
}

export interface DiscoveryEvents {
  connected(connection: Connection): void
  closed(connection: Connection): void
  sent(typeUrl: string): void
  rejected(typeUrl: string): void
  expiredNonce(): void
}

export interface DiscoveryServiceOptions {
  readonly published: Published
  readonly synced: () => boolean
  readonly ambient: boolean
  /** Undefined: nobody is asked (the plaintext port). Resolves with undefined to refuse. */
  readonly authenticate: ((call: Call | StatusCall) => Promise<Caller | undefined>) | undefined
  readonly pushesAtOnce: number
  readonly connectionsPerSecond: number
  readonly clock: Clock
  readonly log: Logger
  readonly events: DiscoveryEvents
  /** JSON that tells clients of the status stream who answers. */
  readonly identifier: string
  /** Whose callers see the clients of every namespace, where others see their own; undefined: everybody does. */
  readonly statusNamespaces: ReadonlySet<string> | undefined
}

export interface DiscoveryService {
  handler(authenticated: boolean): (call: Call) => void
  /** The state-of-the-world stream, which says how far clients are and nothing else. */
  statusHandler(authenticated: boolean): (call: StatusCall) => void
  push(changes: Changes): void
  readonly connections: ReadonlySet<Connection>
  /** Ends every stream, so that clients reconnect elsewhere. */
  close(): void
}

/** Delta ADS over gRPC: admission, one state machine per stream, pushes with backpressure. */
export function createDiscoveryService(options: DiscoveryServiceOptions): DiscoveryService {
  const { published, clock, log, events } = options
  const connections = new Set<Connection>()
  const calls = new Set<Call | StatusCall>()
  const queue = createPushQueue({ atOnce: options.pushesAtOnce })
  const admit = createRateLimit({ perSecond: options.connectionsPerSecond, longestWait: 1000, clock })
  let count = 0
  let nonces = 0
  const nonce = (): string => `${(nonces++).toString(36)}-${randomBytes(6).toString('base64url')}`

  function fail(call: Call | StatusCall, code: status, details: string): void {
    call.emit('error', { code, details, metadata: new Metadata() })
  }

  async function admission(call: Call | StatusCall, authenticated: boolean): Promise<Caller | undefined> {
    if (!options.synced())
      throw new AdmissionError(status.UNKNOWN, 'server is not ready to serve discovery information')
    if (!(await admit())) throw new AdmissionError(status.RESOURCE_EXHAUSTED, 'request rate limit exceeded')
    if (!authenticated || options.authenticate === undefined) return undefined
    const caller = await options.authenticate(call)
    if (caller === undefined) throw new AdmissionError(status.UNAUTHENTICATED, 'authentication failure')
    return caller
  }

  function write(call: Call, response: DeltaDiscoveryResponse): Promise<void> {
    if (!call.cancelled && !call.writableEnded) events.sent(response.typeUrl ?? '')
    return writeResponse(call, response)
  }

  function open(call: Call, request: DeltaDiscoveryRequest, caller: Caller | undefined): Connection {
    const node = readClientNode(request, options)
    checkClaims(node, caller)
    const connection: Connection = {
      id: `${node.proxyId}-${++count}`,
      node,
      address: call.getPeer(),
      connectedAt: clock.now(),
      stream: createDeltaStream({ published, node: node.nodeName, now: clock.now, nonce })
    }
    connections.add(connection)
    events.connected(connection)
    log.info(`ADS: new delta connection for node:${connection.id}`)
    const target = {
      push: async (changes: Changes): Promise<void> => {
        for (const response of connection.stream.push(changes)) {
          logResponse(connection, response, 'PUSH')
          await write(call, response)
        }
      }
    }
    queue.join(target)
    let open = true
    const end = (): void => {
      if (!open) return
      open = false
      queue.leave(target)
      connections.delete(connection)
      events.closed(connection)
      log.info(`ADS: ${JSON.stringify(connection.address)} ${connection.id} terminated`)
    }
    for (const event of ['close', 'end', 'error', 'cancelled']) call.once(event, end)
    return connection
  }

  function logResponse(connection: Connection, response: DeltaDiscoveryResponse, reason: string): void {
    const { typeUrl = '', resources = [], removedResources = [] } = response
    const type = typeUrl.slice(typeUrl.lastIndexOf('.') + 1)
    log.info(
      `${type}: ${reason} for node:${connection.node.proxyId} resources:${resources.length} removed:${removedResources.length}`
    )
  }

  function serve(connection: Connection, call: Call, request: DeltaDiscoveryRequest): void {
    const outcome = connection.stream.request(request)
    if (outcome.kind === 'response') {
      logResponse(connection, outcome.response, 'PUSH request')
      // Whoever does not read its answers is not asked what else it wants.
      call.pause()
      void write(call, outcome.response).then(() => call.resume())
    } else if (outcome.kind === 'nack') {
      events.rejected(request.typeUrl ?? '')
      // The client's words, escaped: they come from outside.
      const words = JSON.stringify(outcome.message)
      log.warn(`ADS: ${connection.id} rejected ${JSON.stringify(request.typeUrl ?? '')}: ${words}`)
    } else if (outcome.kind === 'stale') {
      events.expiredNonce()
    }
  }

  /** Lets a caller in, then hands it requests until the stream is over; what `take` throws ends the stream. */
  function receive<Request>(
    call: Call | StatusCall,
    authenticated: boolean,
    take: (request: Request, caller: Caller | undefined) => void
  ): void {
    calls.add(call)
    let over = false
    // Also while the caller is still being checked: a stream that is opened after its end never leaves again.
    const gone = (): void => {
      over = true
      calls.delete(call)
    }
    for (const event of ['close', 'end', 'error', 'cancelled']) call.once(event, gone)

    const refuse = (error: unknown): void => {
      if (over) return
      over = true
      const known = error instanceof AdmissionError
      if (!known)
        log.error(`ADS: ${JSON.stringify(call.getPeer())}: ${error instanceof Error ? error.message : String(error)}`)
      else log.warn(`ADS: ${JSON.stringify(call.getPeer())} refused: ${error.message}`)
      fail(call, known ? error.code : status.UNKNOWN, known ? error.message : 'internal error')
    }
    call.on('end', () => call.end())
    call.on('error', () => {})
    // Nothing is read of a caller that is still being checked.
    admission(call, authenticated).then(caller => {
      call.on('data', (request: Request) => {
        if (over) return
        try {
          take(request, caller)
        } catch (error) {
          refuse(error)
        }
      })
    }, refuse)
  }

  function handle(call: Call, authenticated: boolean): void {
    let connection: Connection | undefined
    receive<DeltaDiscoveryRequest>(call, authenticated, (request, caller) => {
      connection ??= open(call, request, caller)
      serve(connection, call, request)
    })
  }

  return {
    connections,
    handler: authenticated => call => handle(call, authenticated),
    statusHandler: authenticated => call =>
      receive(
        call,
        authenticated,
        createStatusHandler(call, {
          connections,
          identifier: options.identifier,
          namespaces: options.statusNamespaces,
          ambient: options.ambient,
          nonce
        })
      ),
    push: changes => queue.add(changes),
    close() {
      for (const call of calls) fail(call, status.UNAVAILABLE, 'server is shutting down')
    }
  }
}
