import { type GatewayAddress, isHostname, type Service, type Workload } from '@culvert/workloads'
import { type Found, whatIsReferred } from './address-lookup.ts'
import { chooseEndpoint, type Resolution, type Upstream } from './choose-endpoint.ts'
import { draw } from './draw.ts'
import type { Decision } from './question.ts'
import { type Refusal, unknownNetworkGateway, unknownWaypoint } from './refusal.ts'
import type { OutboundRequest, RoutingContext } from './route.ts'

/** A waypoint or gateway, chosen. `wantedIp` decides the family of its address. */
export interface Hop {
  readonly kind: 'hop'
  readonly upstream: Upstream
  readonly wantedIp: string
}

/** The waypoint of a service for one connection, undefined without one. A canary set replaces the single waypoint. */
export function* serviceWaypoint(
  context: RoutingContext,
  request: OutboundRequest,
  service: Service
): Decision<Hop | Refusal | undefined> {
  const reference =
    draw(service.weightedWaypoints, ({ weight }) => weight, context.random)?.destination ?? service.waypoint
  return reference && (yield* resolve(context, request, reference, 'waypoint'))
}

/** The waypoint of a workload, undefined without one. */
export function* workloadWaypoint(
  context: RoutingContext,
  request: OutboundRequest,
  workload: Workload
): Decision<Hop | Refusal | undefined> {
  return workload.waypoint && (yield* resolve(context, request, workload.waypoint, 'waypoint'))
}

export function* networkGateway(
  context: RoutingContext,
  request: OutboundRequest,
  reference: GatewayAddress
): Decision<Hop | Refusal> {
  return yield* resolve(context, request, reference, 'standard')
}

/** A reference that leads nowhere refuses the connection: neither waypoints nor gateways are ever bypassed. */
function* resolve(
  context: RoutingContext,
  request: OutboundRequest,
  { destination, hboneMtlsPort }: GatewayAddress,
  resolution: Resolution
): Decision<Hop | Refusal> {
  const found = yield* whatIsReferred(context, destination, request.source.namespace)
  const upstream = upstreamOf(context, request, preferService(context, request, destination, found), {
    port: hboneMtlsPort,
    resolution
  })
  const name = isHostname(destination) ? destination.hostname : destination.ip
  if (upstream === undefined) return resolution === 'waypoint' ? unknownWaypoint(name) : unknownNetworkGateway(name)
  return { kind: 'hop', upstream, wantedIp: isHostname(destination) ? request.destination.ip : destination.ip }
}

/** "Where do I send": the service on an address before the workload. */
function preferService(
  { index }: RoutingContext,
  { source }: OutboundRequest,
  destination: GatewayAddress['destination'],
  found: Found | undefined
): Found | undefined {
  if (isHostname(destination) || found?.kind !== 'workload') return found
  const service = index.serviceByVip(destination.network, destination.ip, source.namespace)
  return service ? { kind: 'service', service } : found
}

function upstreamOf(
  context: RoutingContext,
  { source }: OutboundRequest,
  found: Found | undefined,
  { port, resolution }: { port: number; resolution: Resolution }
): Upstream | undefined {
  if (found?.kind === 'service') return chooseEndpoint(context, { source, service: found.service, port, resolution })
  return found && { workload: found.workload, port }
}
