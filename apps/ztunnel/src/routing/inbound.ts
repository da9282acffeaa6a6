import { type GatewayDestination, ipFamily, type Service } from '@culvert/workloads'
import { type Found, whatIsReferred, whoIs } from './address-lookup.ts'
import { type Authority, parseAuthority } from './authority.ts'
import type { Decision } from './question.ts'
import {
  ipMismatch,
  noHostname,
  noIpForService,
  nonConnectMethod,
  noPortForServices,
  noValidAuthority,
  type Refusal,
  selfCall
} from './refusal.ts'
import type { AcceptedRoute, InboundRequest, InboundRoute, RoutingContext, SocketAddress } from './route.ts'

/** The part of a CONNECT's checks that needs no local workload: docs/spec/hbone.md 3.1, step 1. */
export function refuseRequest({
  method,
  authority
}: Pick<InboundRequest, 'method' | 'authority'>): Refusal | undefined {
  const parsed = readRequest(method, authority)
  return parsed.kind === 'refuse' ? parsed : undefined
}

/** Where a CONNECT goes: docs/spec/hbone.md 3.1, steps 1, 3 and 4. Policies are still to be asked. */
export function* routeInbound(context: RoutingContext, request: InboundRequest): Decision<InboundRoute> {
  const authority = readRequest(request.method, request.authority)
  if (authority.kind === 'refuse') return authority
  if (authority.kind === 'hostname') return toService(context, request, authority)
  if (!(yield* isOurs(context, request, authority.ip))) return ipMismatch(request.localIp, authority.ip)
  return accept(context, request, { port: authority.port, requested: authority, service: undefined })
}

function readRequest(method: string, authority: string | undefined): Authority | Refusal {
  if (method !== 'CONNECT') return nonConnectMethod(method)
  return parseAuthority(authority ?? '') ?? noValidAuthority(authority ?? '')
}

/**
 * Our own address, any address when we run an application tunnel, or one whose waypoint we are (docs/spec/hbone.md 3.2).
 * Only the single waypoint counts: a weighted set says nothing about who may stand in for the target.
 */
function* isOurs(context: RoutingContext, { local, localIp }: InboundRequest, ip: string): Decision<boolean> {
  if (ip === localIp || local.applicationTunnel !== undefined) return true
  const holder = yield* whoIs(context, { network: context.network, ip })
  const waypoint = waypointOf(holder)
  if (waypoint === undefined) return false
  const found = yield* whatIsReferred(context, waypoint)
  if (found?.kind === 'service') return found.service.endpoints.has(local.uid)
  return found?.workload.workloadIps.includes(localIp) ?? false
}

function waypointOf(holder: Found | undefined): GatewayDestination | undefined {
  const owner = holder?.kind === 'workload' ? holder.workload : holder?.service
  return owner?.waypoint?.destination
}

function toService(
  context: RoutingContext,
  request: InboundRequest,
  { hostname, port }: Authority & { kind: 'hostname' }
): InboundRoute {
  const { local } = request
  const service = context.index.serviceByHostname(hostname, local.namespace)
  if (service === undefined) return noHostname(hostname)
  const target = service.endpoints.get(local.uid)?.port.get(port) ?? service.ports.get(port) ?? 0
  if (target === 0) return noPortForServices(hostname, port)
  const vip = preferredVip(service, context.network)
  const requested = vip === undefined ? undefined : { ip: vip, port }
  return accept(context, request, { port: target, requested, service })
}

function accept(
  context: RoutingContext,
  { localIp, local }: InboundRequest,
  target: {
    readonly port: number
    /** What the client asked for, as an address; undefined for a service without one. */
    readonly requested: SocketAddress | undefined
    readonly service: Service | undefined
  }
): InboundRoute {
  if (context.illegalPorts.has(target.port)) return selfCall()
  const { service, requested } = target
  const tunnel = local.applicationTunnel
  const destination = { ip: localIp, port: tunnel?.port ?? target.port }
  const route: AcceptedRoute = {
    kind: 'accept',
    destination,
    to: destination,
    preserveSource: true,
    ...(service === undefined ? {} : { service })
  }
  if (tunnel?.protocol !== 'PROXY') return route
  if (requested === undefined) return noIpForService(service?.hostname ?? '')
  const proxied = { ...route, proxyHeaderDestination: { ip: requested.ip, port: requested.port } }
  return context.localhostAppTunnel ? { ...proxied, to: onLoopback(destination), preserveSource: false } : proxied
}

const onLoopback = ({ ip, port }: SocketAddress): SocketAddress => ({
  ip: ipFamily(ip) === 4 ? '127.0.0.1' : '::1',
  port
})

/** For the PROXY header (docs/spec/hbone.md 1.9): IPv4 of the own network, then IPv6 of it, then anything; of several the last. */
function preferredVip({ vips }: Service, network: string): string | undefined {
  const own = vips.filter(vip => vip.network === network)
  return (own.findLast(({ ip }) => ipFamily(ip) === 4) ?? own.at(-1) ?? vips.at(-1))?.ip
}
