import type { LoadBalancingMessage, NetworkAddressMessage, ServiceMessage } from '../messages/workload-messages.ts'
import type { LoadBalancer, NetworkAddress, NetworkCidr, Service } from '../model/workload.ts'
import { convertGatewayAddress, convertNetworkAddress } from './gateway-address.ts'
import { known, rejected } from './reject.ts'
import { convertPorts } from './workload.ts'

/** A service as it arrives: its endpoints are what the workloads say. */
export type ServiceDefinition = Omit<Service, 'endpoints'>

const families = { 0: undefined, 1: 'IPv4', 2: 'IPv6', 3: 'Dual' } as const
const modes = { 0: 'Standard', 1: 'Strict', 2: 'Failover', 3: 'Passthrough' } as const
const healthPolicies = { 0: 'OnlyHealthy', 1: 'AllowAll' } as const
const scopes = { 1: 'Region', 2: 'Zone', 3: 'Subzone', 4: 'Node', 5: 'Cluster', 6: 'Network' } as const

/** Throws WORKLOADS_REJECTED with the reason for the NACK: docs/spec/workload-xds.md 3.1. */
export function convertService(message: ServiceMessage): ServiceDefinition {
  const { waypoint, loadBalancing } = message
  const ipFamilies = convertFamilies(message.ipFamilies ?? 0)
  return {
    name: message.name ?? '',
    namespace: message.namespace ?? '',
    hostname: message.hostname ?? '',
    ...convertAddresses(message.addresses ?? []),
    ports: convertPorts(message.ports),
    subjectAltNames: message.subjectAltNames ?? [],
    ...(waypoint && { waypoint: convertGatewayAddress(waypoint, 'waypoint') }),
    weightedWaypoints: (message.weightedWaypoints ?? []).map(({ destination, weight }) => ({
      destination: convertGatewayAddress(destination ?? {}, 'weighted_waypoints'),
      weight: weight ?? 0
    })),
    ...(loadBalancing && { loadBalancer: convertLoadBalancing(loadBalancing) }),
    ...(ipFamilies && { ipFamilies }),
    canonical: message.canonical ?? false,
    // Unknown ones fail open: a service that a newer control plane hides some new way stays reachable.
    visibility: message.visibility === 1 ? 'Namespace' : 'Public'
  }
}

function convertFamilies(value: number): Service['ipFamilies'] | undefined {
  if (!(value in families)) throw rejected(`unknown ip_families ${value}`)
  return families[value as keyof typeof families]
}

function convertAddresses(addresses: readonly NetworkAddressMessage[]): {
  vips: readonly NetworkAddress[]
  cidrVips: readonly NetworkCidr[]
} {
  const vips: NetworkAddress[] = []
  const cidrVips: NetworkCidr[] = []
  for (const message of addresses) {
    const address = convertNetworkAddress(message, 'the service')
    const bits = address.ip.includes(':') ? 128 : 32
    const { length = bits } = message
    if (length > bits) throw rejected(`an address of the service has length ${length}, more than ${bits}`)
    if (length === bits) vips.push(address)
    else cidrVips.push({ ...address, prefixLength: length })
  }
  return { vips, cidrVips }
}

function convertLoadBalancing({ routingPreference, mode, healthPolicy }: LoadBalancingMessage): LoadBalancer {
  return {
    routingPreferences: (routingPreference ?? []).map(scope => known(scopes, scope, 'routing_preference')),
    mode: known(modes, mode, 'mode'),
    healthPolicy: known(healthPolicies, healthPolicy, 'health_policy')
  }
}
