import {
  type GatewayAddress,
  type GatewayDestination,
  isHostname,
  type PortMap,
  type Service,
  type ServiceEndpoint,
  serviceKey,
  type Workload
} from '../model/workload.ts'
import type { WorkloadListing, WorkloadLookups } from '../state/lookups.ts'
import { inOrder } from './in-order.ts'

/**
 * The state as `/config_dump` shows it: docs/spec/observability-dns.md 8. The order of keys inside objects is left to
 * whoever writes the JSON.
 */
export type Dump = Readonly<Record<string, unknown>>

/** By uid. Made on the way: what changes meanwhile is shown as it is by then. Undefined is a step without one. */
export function* dumpWorkloads(
  listing: Pick<WorkloadListing, 'workloads'> & Pick<WorkloadLookups, 'workload'>
): Generator<Dump | undefined> {
  for (const uid of inOrder(map(listing.workloads(), workload => workload.uid))) {
    const workload = uid === undefined ? undefined : listing.workload(uid)
    yield workload && dumpWorkload(workload)
  }
}

/** By hostname, those of one hostname in order of arrival; otherwise as workloads are. */
export function* dumpServices(
  listing: Pick<WorkloadListing, 'services'> & Pick<WorkloadLookups, 'servicesByHostname'>
): Generator<Dump | undefined> {
  for (const hostname of inOrder(map(listing.services(), service => service.hostname))) {
    if (hostname === undefined) yield
    else yield* map(listing.servicesByHostname(hostname), dumpService)
  }
}

/** Each member is made when it is asked for. */
export function dumpStagedServices(listing: Pick<WorkloadListing, 'stagedEndpoints'>): Dump {
  const dump = {}
  for (const [key, endpoints] of listing.stagedEndpoints()) {
    Object.defineProperty(dump, key, { enumerable: true, get: () => dumpEndpoints(endpoints) })
  }
  return dump
}

export function* map<From, To>(values: Iterable<From>, make: (value: From) => To): Generator<To> {
  for (const value of values) yield make(value)
}

export function dumpWorkload(workload: Workload): Dump {
  const { waypoint, networkGateway, applicationTunnel, locality } = workload
  return {
    workloadIps: workload.workloadIps,
    protocol: workload.protocol,
    networkMode: workload.networkMode,
    name: workload.name,
    namespace: workload.namespace,
    status: workload.status,
    clusterId: workload.clusterId,
    capacity: workload.capacity,
    ...unlessEmpty('uid', workload.uid),
    ...unlessEmpty('trustDomain', workload.trustDomain),
    ...unlessEmpty('serviceAccount', workload.serviceAccount),
    ...unlessEmpty('network', workload.network),
    ...unlessEmpty('workloadName', workload.workloadName),
    ...unlessEmpty('workloadType', workload.workloadType),
    ...unlessEmpty('canonicalName', workload.canonicalName),
    ...unlessEmpty('canonicalRevision', workload.canonicalRevision),
    ...unlessEmpty('hostname', workload.hostname),
    ...unlessEmpty('node', workload.node),
    ...unlessEmpty('authorizationPolicies', workload.authorizationPolicies),
    ...unlessEmpty('services', [...workload.services.keys()]),
    ...(workload.nativeTunnel && { nativeTunnel: true }),
    ...(waypoint && { waypoint: dumpGateway(waypoint) }),
    ...(networkGateway && { networkGateway: dumpGateway(networkGateway) }),
    ...(applicationTunnel && {
      applicationTunnel: { protocol: applicationTunnel.protocol, port: applicationTunnel.port ?? null }
    }),
    ...(Object.values(locality).some(part => part !== '') && { locality })
  }
}

export function dumpService(service: Service): Dump {
  const { waypoint, loadBalancer, ipFamilies } = service
  return {
    name: service.name,
    namespace: service.namespace,
    hostname: service.hostname,
    vips: service.vips.map(destinationText),
    ports: dumpPorts(service.ports),
    endpoints: dumpEndpoints(service.endpoints),
    subjectAltNames: service.subjectAltNames,
    canonical: service.canonical,
    visibility: service.visibility,
    ...unlessEmpty(
      'cidrVips',
      service.cidrVips.map(({ network, ip, prefixLength }) => ({ network, cidr: `${ip}/${prefixLength}` }))
    ),
    ...(waypoint && { waypoint: dumpGateway(waypoint) }),
    ...unlessEmpty(
      'weightedWaypoints',
      service.weightedWaypoints.map(({ destination, weight }) => ({ destination: dumpGateway(destination), weight }))
    ),
    ...(loadBalancer && { loadBalancer }),
    ...(ipFamilies && { ipFamilies })
  }
}

const dumpGateway = ({ destination, hboneMtlsPort }: GatewayAddress): Dump => ({
  destination: destinationText(destination),
  hboneMtlsPort
})

/** `network/ip`, with nothing before the slash for the default network, or `namespace/hostname`. */
const destinationText = (destination: GatewayDestination): string =>
  isHostname(destination) ? serviceKey(destination) : `${destination.network}/${destination.ip}`

const dumpEndpoints = (endpoints: ReadonlyMap<string, ServiceEndpoint>): Dump =>
  Object.fromEntries(
    [...endpoints].map(([uid, { workloadUid, port, status }]) => [uid, { workloadUid, port: dumpPorts(port), status }])
  )

const dumpPorts = (ports: PortMap): Dump => Object.fromEntries(ports)

const unlessEmpty = (name: string, value: string | readonly unknown[]): Dump =>
  value.length === 0 ? {} : { [name]: value }
