import { type ServerDuplexStream, status } from '@grpc/grpc-js'
import {
  clientConfigTypeUrl,
  type DiscoveryRequest,
  type DiscoveryResponse,
  encodeClientConfig,
  type GenericXdsConfigMessage
} from '@culvert/workloads'
import type { Caller } from '../authority/caller.ts'
import { AdmissionError, checkClaims, type ClientNode, readClientNode } from './client-node.ts'
import type { Connection } from './discovery-service.ts'
import type { Subscription } from './subscription.ts'
import { writeResponse } from './write-response.ts'

export type StatusCall = ServerDuplexStream<DiscoveryRequest, DiscoveryResponse>

export interface StatusOptions {
  readonly connections: Iterable<Pick<Connection, 'node' | 'stream'>>
  readonly identifier: string
  /** Whose callers see every client; undefined: everybody does, also without credentials. */
  readonly namespaces: ReadonlySet<string> | undefined
  readonly ambient: boolean
  readonly nonce: () => string
}

/** What `istioctl proxy-status` asks for (docs/spec/observability-dns.md 9). */
const syncStatusTypeUrl = 'istio.io/debug/syncz'

/** One state-of-the-world stream: each question is answered once, nothing is pushed, and no client appears by asking. */
export function createStatusHandler(
  call: StatusCall,
  options: StatusOptions
): (request: DiscoveryRequest, caller: Caller | undefined) => void {
  let asker: ClientNode | undefined
  let sentNonce: string | undefined

  return (request, caller) => {
    if (asker === undefined) {
      asker = readClientNode(request, options)
      checkClaims(asker, caller)
    }
    const { typeUrl = '', responseNonce, errorDetail } = request
    // An acknowledgement has a nonce of ours; istioctl's questions have made-up ones.
    if (errorDetail !== undefined || (responseNonce !== undefined && responseNonce === sentNonce)) return
    if (typeUrl !== syncStatusTypeUrl) {
      const type = JSON.stringify(typeUrl.slice(0, 256))
      throw new AdmissionError(
        status.UNIMPLEMENTED,
        `type ${type} is not served as state of the world, only ${syncStatusTypeUrl} is; use the delta stream`
      )
    }
    sentNonce = options.nonce()
    const response = {
      typeUrl,
      nonce: sentNonce,
      controlPlane: { identifier: options.identifier },
      resources: seenBy(caller, options).map(value => ({ typeUrl: clientConfigTypeUrl, value }))
    }
    // Whoever does not read its answers is not asked what else it wants.
    call.pause()
    void writeResponse(call, response).then(() => call.resume())
  }
}

function seenBy(caller: Caller | undefined, { connections, namespaces }: StatusOptions): Uint8Array[] {
  if (namespaces !== undefined && caller === undefined)
    throw new AdmissionError(status.UNAUTHENTICATED, 'authentication required')
  const everything = namespaces === undefined || caller === undefined || namespaces.has(caller.namespace)
  return [...connections]
    .filter(({ node }) => everything || node.metadata.NAMESPACE === caller.namespace)
    .map(({ node, stream }) =>
      encodeClientConfig({
        node: { id: node.proxyId, metadata: shown(node) },
        genericXdsConfigs: [...stream.subscriptions.values()]
          .sort((a, b) => (a.typeUrl < b.typeUrl ? -1 : 1))
          .map(configOf)
      })
    )
}

function shown({ clusterId, istioVersion, metadata }: ClientNode): Record<string, string> {
  const { NAMESPACE: namespace } = metadata
  return {
    CLUSTER_ID: clusterId,
    ...(typeof namespace === 'string' && { NAMESPACE: namespace }),
    ...(istioVersion !== undefined && { ISTIO_VERSION: istioVersion })
  }
}

const synced = 1
const notSent = 2
const stale = 3
const failed = 4

function configOf({ typeUrl, sentNonce, ackedNonce, sentAt, lastError }: Subscription): GenericXdsConfigMessage {
  const answered = sentNonce === ackedNonce ? synced : stale
  return {
    typeUrl,
    lastUpdated: sentAt,
    configStatus: lastError !== undefined ? failed : sentNonce === '' ? notSent : answered,
    ...(lastError !== undefined && { errorState: { lastUpdateAttempt: sentAt, details: lastError } })
  }
}
