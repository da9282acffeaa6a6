import { type Service, type Workload, workloadIdentity } from '@culvert/workloads'
import { whatIsReferred, whoIs } from './address-lookup.ts'
import { chooseAddress } from './choose-address.ts'
import { chooseEndpoint, type Upstream } from './choose-endpoint.ts'
import { expectedIdentities, serviceIdentities } from './expected-identities.ts'
import { type Hop, networkGateway, serviceWaypoint, workloadWaypoint } from './gateway-reference.ts'
import type { Decision } from './question.ts'
import { endpointText, noHealthyUpstream, noService, noValidDestination, type Refusal } from './refusal.ts'
import type { HboneRoute, OutboundRequest, OutboundRoute, RoutingContext } from './route.ts'

/** The port every HBONE workload listens on. */
const hbonePort = 15008

/** Where a connection of a local pod goes: docs/spec/hbone.md 2.2, from step 3. Nothing is retried elsewhere. */
export function* routeOutbound(context: RoutingContext, request: OutboundRequest): Decision<OutboundRoute> {
  const { source, destination } = request
  const { network } = context
  const holder = yield* whoIs(context, { network, ip: destination.ip, clientNamespace: source.namespace })
  const service = holder?.kind === 'service' ? holder.service : undefined
  if (service !== undefined) {
    const waypoint = yield* serviceWaypoint(context, request, service)
    if (waypoint?.kind === 'refuse') return waypoint
    if (waypoint !== undefined) {
      if (waypoint.upstream.workload.network === source.network) {
        return yield* toWaypoint(context, request, waypoint, service)
      }
      return yield* throughGateway(context, request, waypoint.upstream, service)
    }
  }

  const upstream = selectUpstream(context, request)
  if (upstream === undefined) {
    const mustBalance = service !== undefined && service.loadBalancer?.mode !== 'Passthrough'
    return mustBalance ? noHealthyUpstream(destination) : { kind: 'plain', to: destination }
  }
  if (upstream.workload.network !== source.network) return yield* throughGateway(context, request, upstream, service)
  if (service === undefined && !(yield* isOwnWaypoint(context, request, upstream.workload))) {
    const waypoint = yield* workloadWaypoint(context, request, upstream.workload)
    if (waypoint?.kind === 'refuse') return waypoint
    if (waypoint !== undefined) return yield* toWaypoint(context, request, waypoint, upstream.service)
  }
  return yield* toEndpoint(context, request, upstream)
}

/** A visible service on the address decides alone, even when it has nobody; otherwise the workload that has it. */
function selectUpstream(context: RoutingContext, { source, destination }: OutboundRequest): Upstream | undefined {
  const { ip, port } = destination
  const service = context.index.serviceByVip(source.network, ip, source.namespace)
  if (service) return chooseEndpoint(context, { source, service, port, resolution: 'standard' })
  const workload = context.index.workloadByIp(source.network, ip)
  return workload && { workload, port }
}

function* toEndpoint(context: RoutingContext, request: OutboundRequest, upstream: Upstream): Decision<OutboundRoute> {
  const address = yield* chooseAddress(context, upstream, request.destination.ip)
  if (address.kind === 'refuse') return address
  const { ip } = address
  const { workload, port } = upstream
  const known = { upstream: workload, ...named(upstream.service) }
  if (workload.protocol === 'TCP') return { kind: 'plain', to: { ip, port }, ...known }
  return {
    kind: 'hbone',
    to: { ip, port: hbonePort },
    authority: endpointText({ ip, port }),
    expectedIdentities: expectedIdentities(upstream),
    ...known
  }
}

/** The waypoint is asked for the original target, untranslated, on the port that its reference resolved to. */
function* toWaypoint(
  context: RoutingContext,
  { destination }: OutboundRequest,
  { upstream, wantedIp }: Hop,
  service: Service | undefined
): Decision<HboneRoute | Refusal> {
  const address = yield* chooseAddress(context, upstream, wantedIp)
  if (address.kind === 'refuse') return address
  return {
    kind: 'hbone',
    to: { ip: address.ip, port: upstream.port },
    authority: endpointText(destination),
    expectedIdentities: expectedIdentities(upstream),
    upstream: upstream.workload,
    ...named(service)
  }
}

/** Double HBONE: the address of the target means nothing here, so the other network is asked for the hostname. */
function* throughGateway(
  context: RoutingContext,
  request: OutboundRequest,
  upstream: Upstream,
  service: Service | undefined
): Decision<OutboundRoute> {
  const { destination } = request
  if (service === undefined) return noService(destination)
  if (upstream.workload.networkGateway === undefined) return noValidDestination(upstream.workload)
  const gateway = yield* networkGateway(context, request, upstream.workload.networkGateway)
  if (gateway.kind === 'refuse') return gateway
  const address = yield* chooseAddress(context, gateway.upstream, gateway.wantedIp)
  if (address.kind === 'refuse') return address
  return {
    kind: 'double-hbone',
    to: { ip: address.ip, port: gateway.upstream.port },
    authority: `${service.hostname}:${destination.port}`,
    expectedIdentities: expectedIdentities(gateway.upstream),
    innerExpectedIdentities: serviceIdentities(upstream.service),
    gateway: gateway.upstream.workload,
    upstream: upstream.workload,
    service
  }
}

/**
 * Whether the source is (an instance of) the target's waypoint: then the target is dialled, not the waypoint again.
 * Every instance counts, not one that balancing would happen to pick.
 */
function* isOwnWaypoint(
  context: RoutingContext,
  { source, sourceIp }: OutboundRequest,
  target: Workload
): Decision<boolean> {
  if (target.waypoint === undefined) return false
  const found = yield* whatIsReferred(context, target.waypoint.destination, source.namespace)
  const isSource = (workload: Workload | undefined): boolean =>
    workload?.workloadIps.includes(sourceIp) === true && workloadIdentity(workload) === workloadIdentity(source)
  if (found?.kind === 'workload') return isSource(found.workload)
  if (found === undefined) return false
  if (found.service.endpoints.has(source.uid) && isSource(source)) return true
  for (const { workload } of context.index.endpointsOf(found.service)) if (isSource(workload)) return true
  return false
}

const named = (service: Service | undefined): { service?: Service } => (service === undefined ? {} : { service })
