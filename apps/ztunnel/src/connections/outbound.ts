import type { CapturedConnection, ConnectionDecision, Credential, Hop, Opened } from '@culvert/tunnel'
import { type Workload, workloadIdentity } from '@culvert/workloads'
import type { AccessEntry } from '../observe/access-log.ts'
import { identityError } from '../observe/failure-text.ts'
import { baggageLabels } from '../observe/peer-labels.ts'
import { trafficBetween } from '../observe/traffic-between.ts'
import {
  type DoubleHboneRoute,
  decide,
  type HboneRoute,
  type PlainRoute,
  refuseOutboundSelfCall,
  routeOutbound,
  unknownSourceWorkload
} from '../routing/index.ts'
import { connectHeaders } from './connect-headers.ts'
import type { NodeContext, PodContext } from './context.ts'
import { credentialOf } from './credential.ts'
import { localWorkload } from './local-workload.ts'

/** Connections through other networks get their labels from the far side, so only once it has answered. */
export interface AwaitingLabels {
  readonly connection: CapturedConnection
  readonly source: Workload
  readonly route: DoubleHboneRoute
}

export interface OutboundResult {
  readonly decision: ConnectionDecision
  readonly awaiting?: AwaitingLabels
}

const refused: OutboundResult = { decision: { kind: 'refuse' } }

/** docs/spec/hbone.md 2.2. */
export async function decideOutbound(
  node: NodeContext,
  pod: PodContext,
  connection: CapturedConnection
): Promise<OutboundResult> {
  const refuse = (error: string): OutboundResult => {
    const { source, destination } = connection
    node.accessLog.failed({ direction: 'outbound', source, destination, error })
    return refused
  }
  const selfCall = refuseOutboundSelfCall(node.routing, connection.destination)
  if (selfCall !== undefined) return refuse(selfCall.message)
  const source = await localWorkload(node, pod)
  if (source === undefined) return refuse(unknownSourceWorkload(pod.identity).message)

  const request = { source, sourceIp: connection.source.ip, destination: connection.destination }
  const route = await decide(routeOutbound(node.routing, request), node.answers(source))
  if (route.kind === 'refuse') return refuse(route.message)
  pod.live.addOutbound(connection.id, {
    source: connection.source,
    originalDestination: connection.destination,
    to: route.to,
    protocol: protocols[route.kind]
  })
  if (route.kind !== 'double-hbone') node.records.open(connection.id, outboundEntry(connection, source, route))
  if (route.kind === 'plain') return { decision: { kind: 'direct', to: route.to } }

  const awaiting = route.kind === 'double-hbone' ? { connection, source, route } : undefined
  try {
    const credential = credentialOf(await node.certificates.certificate(workloadIdentity(source), 'realtime'))
    const decision = tunnelDecision(node, connection, source, route, credential)
    return awaiting === undefined ? { decision } : { decision, awaiting }
  } catch (error) {
    if (awaiting !== undefined) node.records.open(connection.id, doubleEntry(node, awaiting, undefined))
    node.records.reject(connection.id, identityError(error))
    pod.live.remove(connection.id)
    return refused
  }
}

const protocols = { plain: 'TCP', hbone: 'HBONE', 'double-hbone': 'DOUBLEHBONE' } as const

function tunnelDecision(
  node: NodeContext,
  connection: CapturedConnection,
  source: Workload,
  route: HboneRoute | DoubleHboneRoute,
  credential: Credential
): ConnectionDecision {
  const headers = connectHeaders(source, connection.source, route.service?.hostname)
  const outer: Hop = {
    authority: route.authority,
    headers,
    credential,
    expectedIdentities: route.expectedIdentities,
    identity: workloadIdentity(source),
    applicationIp: connection.source.ip
  }
  if (route.kind === 'hbone') return { kind: 'tunnel', to: route.to, outer }
  const inner: Hop = {
    ...outer,
    headers: [...headers, ['x-forwarded-network', node.routing.network]],
    expectedIdentities: route.innerExpectedIdentities
  }
  return { kind: 'tunnel', to: route.to, outer, inner }
}

function outboundEntry(connection: CapturedConnection, source: Workload, route: PlainRoute | HboneRoute): AccessEntry {
  const { upstream } = route
  const mutualTls = route.kind === 'hbone'
  return {
    direction: 'outbound',
    source: connection.source,
    destination: route.to,
    requested: connection.destination,
    hboneAddress: mutualTls ? route.authority : undefined,
    traffic: trafficBetween({
      reporter: 'source',
      // Our identity is used, and so known to be true, only inside a tunnel.
      source: { workload: source, principal: mutualTls ? workloadIdentity(source) : undefined },
      destination: upstream && { workload: upstream, principal: workloadIdentity(upstream) },
      service: route.service,
      mutualTls
    })
  }
}

/** The next hop is the gateway, until the far side has said of itself who it is (docs/spec/observability-dns.md 3.1, 5.3). */
export function doubleEntry(
  node: NodeContext,
  { connection, source, route }: AwaitingLabels,
  opened: Opened | undefined
): AccessEntry {
  const lines = node.responseBaggage ? opened?.baggage : undefined
  const baggage = lines && node.readBaggage(lines)
  const { gateway, service } = route
  const traffic = trafficBetween({
    reporter: 'source',
    source: { workload: source, principal: workloadIdentity(source) },
    destination: { workload: gateway, principal: workloadIdentity(gateway) },
    service,
    mutualTls: true
  })
  return {
    direction: 'outbound',
    source: connection.source,
    destination: route.to,
    requested: connection.destination,
    hboneAddress: route.authority,
    traffic:
      baggage === undefined
        ? traffic
        : {
            ...traffic,
            destination: baggageLabels(baggage, opened?.peerIdentity),
            destinationName: baggage.workloadName
          }
  }
}
