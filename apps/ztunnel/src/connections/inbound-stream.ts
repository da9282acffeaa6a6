import { encodeProxyHeader, HboneError, parseForwardedHost } from '@culvert/hbone'
import type { InboundStream, StreamDecision } from '@culvert/tunnel'
import { type Workload, workloadIdentity } from '@culvert/workloads'
import type { AccessEntry } from '../observe/access-log.ts'
import { baggageLabels } from '../observe/peer-labels.ts'
import { trafficBetween } from '../observe/traffic-between.ts'
import type { PeerLabels } from '../observe/traffic-labels.ts'
import {
  type AcceptedRoute,
  decide,
  refuseRequest,
  routeInbound,
  serviceOfInbound,
  sourceOfInbound,
  unknownSourceWorkload
} from '../routing/index.ts'
import { workloadBaggage } from './connect-headers.ts'
import type { NodeContext, PodContext } from './context.ts'
import { allowInbound } from './inbound-policy.ts'
import { localWorkload } from './local-workload.ts'

/** docs/spec/hbone.md 3.1, step by step. */
export async function decideInboundStream(
  node: NodeContext,
  pod: PodContext,
  stream: InboundStream
): Promise<StreamDecision> {
  const refuse = (status: number, error: string): StreamDecision => {
    node.accessLog.failed({ direction: 'inbound', source: stream.source, destination: stream.local, error })
    return { kind: 'answer', status }
  }
  const malformed = refuseRequest(stream)
  if (malformed !== undefined) return refuse(malformed.status, malformed.message)
  const local = await localWorkload(node, pod)
  if (local === undefined) return refuse(503, unknownSourceWorkload(pod.identity).message)

  const { method, authority } = stream
  const request = { method, authority, localIp: stream.local.ip, local }
  const route = await decide(routeInbound(node.routing, request), node.answers(local))
  if (route.kind === 'refuse') return refuse(route.status, route.message)

  const forwardedHost = parseForwardedHost(headerLines(stream, 'forwarded'))
  const [forwardedNetwork] = headerLines(stream, 'x-forwarded-network')
  const peer = await decide(
    sourceOfInbound(node.routing, { ip: stream.source.ip, forwardedNetwork }),
    node.answers(local)
  )
  const preface = proxyHeader(stream, route)
  if (preface instanceof HboneError) return refuse(503, preface.message)
  node.records.open(stream.id, inboundEntry(node, { stream, local, peer, route, forwardedHost }))
  const { destination } = route
  const { id, source, peerIdentity } = stream
  const allowed = allowInbound(node, pod, { id, local, source, destination, peerIdentity, forwardedHost })
  if (!allowed) return { kind: 'answer', status: 401 }
  return {
    kind: 'direct',
    to: route.to,
    ...(route.preserveSource ? { from: source.ip } : {}),
    ...(preface === undefined ? {} : { preface }),
    responseHeaders: node.responseBaggage ? [['baggage', workloadBaggage(local)]] : []
  }
}

/** What the application is told first; the error when there is no room for who the peer is. */
function proxyHeader(
  { source, peerIdentity }: InboundStream,
  { proxyHeaderDestination: destination }: AcceptedRoute
): Uint8Array | HboneError | undefined {
  if (destination === undefined) return undefined
  try {
    return encodeProxyHeader({ source, destination, peerIdentity })
  } catch (error) {
    if (error instanceof HboneError) return error
    throw error
  }
}

function inboundEntry(
  node: NodeContext,
  facts: {
    readonly stream: InboundStream
    readonly local: Workload
    readonly peer: Workload | undefined
    readonly route: AcceptedRoute
    readonly forwardedHost: string | undefined
  }
): AccessEntry {
  const { stream, local, peer, route, forwardedHost } = facts
  const service =
    route.service ?? serviceOfInbound(node.routing, local, { forwardedHost, port: route.destination.port })
  const traffic = trafficBetween({
    reporter: 'destination',
    source: peer && { workload: peer, principal: stream.peerIdentity },
    destination: { workload: local, principal: workloadIdentity(local) },
    service,
    mutualTls: true
  })
  return {
    direction: 'inbound',
    source: stream.source,
    destination: stream.local,
    hboneAddress: stream.authority,
    traffic: peer === undefined ? { ...traffic, source: selfDescribed(node, stream) } : traffic
  }
}

function selfDescribed(node: NodeContext, stream: InboundStream): PeerLabels {
  const baggage = node.responseBaggage ? node.readBaggage(headerLines(stream, 'baggage')) : {}
  return baggageLabels(baggage, stream.peerIdentity)
}

/** Every line of one header, in order. */
function headerLines({ headers }: InboundStream, name: string): readonly string[] {
  return headers.filter(([field]) => field === name).map(([, value]) => value)
}
