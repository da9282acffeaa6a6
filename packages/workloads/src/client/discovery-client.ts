import { type Clock, systemClock } from '@culvert/clock'
import { readDeltaResponseInTurns } from '../messages/delta-response.ts'
import {
  addressTypeUrl,
  authorizationTypeUrl,
  discoveryServiceDefinition,
  encodeDeltaRequest
} from '../messages/discovery-codec.ts'
import type { DeltaDiscoveryRequest, NodeMessage } from '../messages/discovery-messages.ts'
import type { PolicyStore } from '../state/policy-store.ts'
import { createTurns } from '../state/turns.ts'
import type { WorkloadIndex } from '../state/workload-index.ts'
import { initialBackoff, pauseAfter, type StreamEnd, type TerminationReason } from './backoff.ts'
import { type ConnectionSettings, discoveryTarget, prepareConnection } from './connection.ts'
import { createDemands } from './demands.ts'
import type { DiscoveryLog } from './discovery-log.ts'
import { type GrpcStream, openGrpcStream } from './grpc-stream.ts'
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

const { path } = discoveryServiceDefinition.deltaAggregatedResources

/** The client's side of docs/spec/workload-xds.md 1: keeps the index and the policies as the control plane has them. */
export function createDiscoveryClient(options: DiscoveryClientOptions): DiscoveryClient {
  const { node, index, policies, log, metrics = {}, clock = systemClock, onDemand = false } = options
  discoveryTarget(options.address)
  const turns = createTurns()
  let current: GrpcStream | undefined
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
    let stream: GrpcStream | undefined
    try {
      const opening = openGrpcStream(await prepareConnection(options, path), { clock, signal })
      stream = opening
      demands.restart()
      for (const subscription of subscriptions) {
        await subscription.open(node, (...parts) => {
          opening.write(...parts)
          current = opening
        })
      }
      for await (const response of opening.messages()) {
        opening.write(encodeDeltaRequest(await receive(response)))
        gotResponse = true
      }
      return { end: opening.end(), gotResponse }
    } catch (error) {
      return { end: { kind: 'internal', message: describe(error) }, gotResponse }
    } finally {
      stream?.close()
      current = undefined
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

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message}: ${describe(error.cause)}`
}

function sleep(milliseconds: number, { clock, signal }: { clock: Clock; signal: AbortSignal }): Promise<void> {
  if (milliseconds === 0 || signal.aborted) return Promise.resolve()
  const { promise, resolve } = Promise.withResolvers<void>()
  const stopTimer = clock.after(milliseconds, done)
  signal.addEventListener('abort', done, { once: true })
  function done(): void {
    stopTimer()
    signal.removeEventListener('abort', done)
    resolve()
  }
  return promise
}
