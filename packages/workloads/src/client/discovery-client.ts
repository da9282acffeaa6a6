import { type Client, type ClientDuplexStream, connectivityState, type Metadata, status } from '@grpc/grpc-js'
import { type Clock, sleep, systemClock } from '@culvert/clock'
import { readDeltaResponseInTurns } from '../messages/delta-response.ts'
import {
  addressTypeUrl,
  asBuffer,
  authorizationTypeUrl,
  discoveryServiceDefinition,
  encodeDeltaRequest
} from '../messages/discovery-codec.ts'
import type { DeltaDiscoveryRequest, NodeMessage } from '../messages/discovery-messages.ts'
import type { PolicyStore } from '../state/policy-store.ts'
import { createTurns } from '../state/turns.ts'
import type { WorkloadIndex } from '../state/workload-index.ts'
import { initialBackoff, pauseAfter, type StreamEnd, type TerminationReason } from './backoff.ts'
import { type ConnectionSettings, discoveryTarget, openConnection } from './connection.ts'
import { createDemands } from './demands.ts'
import type { DiscoveryLog } from './discovery-log.ts'
import { createAddressHandler, createAuthorizationHandler } from './resource-handler.ts'
import { createSubscription, type Subscription } from './subscription.ts'

export interface DiscoveryClientOptions extends ConnectionSettings {
  readonly node: NodeMessage
  readonly index: WorkloadIndex
  readonly policies: PolicyStore
  /** XDS_ON_DEMAND: addresses only as they are asked for. */
  readonly onDemand?: boolean
  readonly log: DiscoveryLog
  readonly metrics?: DiscoveryMetrics
  readonly clock?: Clock
}

export interface DiscoveryMetrics {
  /** `xds_connection_terminations` */
  readonly connectionTerminated?: (reason: TerminationReason) => void
  /** `xds_message` and, with the sum of the resources' sizes, `xds_message_bytes`. */
  readonly message?: (typeUrl: string, bytes: number) => void
}

export interface DiscoveryClient {
  /** Connects, and stays connected until `signal` aborts. Whatever the server does is logged, never thrown. */
  readonly start: (options: { readonly signal: AbortSignal }) => void
  /** Every type that is not on demand had a clean response: only now is the state complete enough to serve. */
  readonly ready: Promise<void>
  /** In on-demand mode asks for `<network>/<ip>`, `<namespace>/<hostname>` or a uid; settles at once otherwise. */
  readonly demand: (name: string) => Promise<void>
}

/** Messages as bytes: those of a whole mesh are made and read in turns, which grpc-js would do in one piece. */
type Call = ClientDuplexStream<Uint8Array, Buffer>

/** TCP, TLS and HTTP/2 together; grpc-js would leave it to the kernel's minutes. */
const connectTimeout = 10_000

const { path } = discoveryServiceDefinition.deltaAggregatedResources

/** The client's side of docs/spec/workload-xds.md 1: keeps the index and the policies as the control plane has them. */
export function createDiscoveryClient(options: DiscoveryClientOptions): DiscoveryClient {
  const { node, index, policies, log, metrics = {}, clock = systemClock, onDemand = false } = options
  discoveryTarget(options.address)
  const turns = createTurns()
  let current: Call | undefined
  const demands = createDemands({
    ask: name => current?.write(encodeDeltaRequest({ typeUrl: addressTypeUrl, resourceNamesSubscribe: [name] })),
    clock
  })
  const subscriptions: readonly Subscription[] = [
    createSubscription({
      typeUrl: addressTypeUrl,
      handle: createAddressHandler(index, log),
      ...(onDemand && { demands })
    }),
    createSubscription({ typeUrl: authorizationTypeUrl, handle: createAuthorizationHandler(policies) })
  ]
  const unready = new Set(onDemand ? [authorizationTypeUrl] : [addressTypeUrl, authorizationTypeUrl])
  const ready = Promise.withResolvers<void>()

  async function receive(bytes: Uint8Array): Promise<DeltaDiscoveryRequest> {
    const response = await readDeltaResponseInTurns(bytes, turns)
    const { typeUrl, nonce, resourceCount } = response
    const subscription = subscriptions.find(candidate => candidate.typeUrl === typeUrl)
    if (subscription === undefined) {
      metrics.message?.(typeUrl, 0)
      log.warn('response of an unknown type', { type_url: typeUrl })
      return { typeUrl, responseNonce: nonce }
    }
    const { request, clean, valueBytes } = await subscription.receive(response)
    metrics.message?.(typeUrl, valueBytes)
    if (!clean) log.warn('rejected resources', { type_url: typeUrl, error: request.errorDetail?.message ?? '' })
    else if (unready.delete(typeUrl) && unready.size === 0) ready.resolve()
    log.debug('received response', { type_url: typeUrl, size: resourceCount })
    return request
  }

  /** One connection, from opening it to knowing how it ended. */
  async function connect(signal: AbortSignal): Promise<{ end: StreamEnd; gotResponse: boolean }> {
    let gotResponse = false
    let client: Client | undefined
    let call: Call | undefined
    try {
      const opened = await openConnection(options)
      client = opened.client
      const stream = openStream(client, opened.metadata, { clock, signal })
      const opening = stream.call
      call = opening
      demands.restart()
      for (const subscription of subscriptions) {
        await subscription.open(node, request => {
          opening.write(request)
          current = opening
        })
      }
      try {
        for await (const response of call.iterator({ destroyOnReturn: false })) {
          call.write(encodeDeltaRequest(await receive(response)))
          gotResponse = true
        }
      } catch (error) {
        // The stream's own errors are in its status; anything else is ours.
        if (stream.end() === undefined) throw error
      }
      return { end: stream.end() ?? { kind: 'complete' }, gotResponse }
    } catch (error) {
      return { end: { kind: 'internal', message: describe(error) }, gotResponse }
    } finally {
      call?.cancel()
      current = undefined
      client?.close()
    }
  }

  async function run(signal: AbortSignal): Promise<void> {
    let backoff = initialBackoff
    while (!signal.aborted) {
      const { end, gotResponse } = await connect(signal)
      if (signal.aborted) return
      const pause = pauseAfter(end, { backoff, gotResponse })
      metrics.connectionTerminated?.(pause.reason)
      const text = end.kind === 'complete' ? 'stream ended' : end.message
      log.warn('XDS connection terminated', { reason: pause.reason, error: text, retry_ms: pause.wait })
      backoff = pause.next
      await sleep(pause.wait, { clock, signal })
    }
  }

  return {
    start({ signal }) {
      void run(signal)
    },
    ready: ready.promise,
    demand: name => (onDemand ? demands.demand(name) : Promise.resolve())
  }
}

function openStream(
  client: Client,
  metadata: Metadata,
  { clock, signal }: { clock: Clock; signal: AbortSignal }
): { call: Call; end: () => StreamEnd | undefined } {
  let gotHeaders = false
  let end: StreamEnd | undefined
  const call: Call = client.makeBidiStreamRequest(path, asBuffer, asIs, metadata)
  const onAbort = (): void => call.cancel()
  const stopTimer = clock.after(connectTimeout, () => {
    if (client.getChannel().getConnectivityState(false) === connectivityState.READY) return
    end = { kind: 'not-connected', message: `no connection within ${connectTimeout} ms` }
    call.cancel()
  })
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  call.on('metadata', () => {
    gotHeaders = true
    stopTimer()
  })
  call.on('status', ({ code, details }) => {
    stopTimer()
    signal.removeEventListener('abort', onAbort)
    const message = `${status[code] ?? code}: ${details}`
    if (code === status.OK) end ??= { kind: 'complete' }
    else end ??= gotHeaders ? { kind: 'status', code, message } : { kind: 'not-connected', message }
  })
  // The status says the same; without a listener the error would end the process.
  call.on('error', () => {})
  return { call, end: () => end }
}

const asIs = (bytes: Buffer): Buffer => bytes

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message}: ${describe(error.cause)}`
}
