import type { ApplicationTunnelMessage, PortMessage, WorkloadMessage } from '../messages/workload-messages.ts'
import type { ApplicationTunnel, PortMap, Workload } from '../model/workload.ts'
import { convertGatewayAddress, convertIp, portNumber } from './gateway-address.ts'
import { known, rejected } from './reject.ts'

const protocols = { 0: 'TCP', 1: 'HBONE' } as const
const networkModes = { 0: 'Standard', 1: 'HostNetwork' } as const
const statuses = { 0: 'Healthy', 1: 'Unhealthy' } as const
const applicationProtocols = { 0: 'NONE', 1: 'PROXY' } as const
const types: Readonly<Record<number, string>> = { 0: 'deployment', 1: 'cronjob', 2: 'pod', 3: 'job' }

const nothing: readonly never[] = []

/** Throws WORKLOADS_REJECTED with the reason for the NACK: docs/spec/workload-xds.md 3.1. */
export function convertWorkload(message: WorkloadMessage): Workload {
  const { waypoint, networkGateway, applicationTunnel, locality } = message
  return {
    uid: message.uid ?? '',
    name: message.name ?? '',
    namespace: message.namespace ?? '',
    serviceAccount: message.serviceAccount || 'default',
    trustDomain: message.trustDomain || 'cluster.local',
    workloadIps: (message.addresses ?? nothing).map(bytes => convertIp(bytes, 'the workload')),
    hostname: message.hostname ?? '',
    network: message.network ?? '',
    node: message.node ?? '',
    protocol: known(protocols, message.tunnelProtocol, 'tunnel_protocol'),
    networkMode: known(networkModes, message.networkMode, 'network_mode'),
    ...(waypoint && { waypoint: convertGatewayAddress(waypoint, 'waypoint') }),
    ...(networkGateway && { networkGateway: convertGatewayAddress(networkGateway, 'network_gateway') }),
    workloadName: message.workloadName ?? '',
    workloadType: types[message.workloadType ?? 0] ?? 'deployment',
    canonicalName: message.canonicalName ?? '',
    canonicalRevision: message.canonicalRevision ?? '',
    clusterId: message.clusterId || 'Kubernetes',
    locality: {
      region: locality?.region ?? '',
      zone: locality?.zone ?? '',
      subzone: locality?.subzone ?? ''
    },
    nativeTunnel: message.nativeTunnel ?? false,
    ...(applicationTunnel && { applicationTunnel: convertApplicationTunnel(applicationTunnel) }),
    authorizationPolicies: message.authorizationPolicies ?? nothing,
    status: known(statuses, message.status, 'status'),
    services: convertServices(message),
    capacity: message.capacity === undefined ? 1 : (message.capacity.value ?? 0)
  }
}

/** A port named twice: the last one wins. */
export function convertPorts(ports: readonly PortMessage[] | undefined): PortMap {
  const pairs = (ports ?? nothing).map(
    ({ servicePort, targetPort }) => [portNumber(servicePort), portNumber(targetPort)] as const
  )
  return new Map(pairs)
}

function convertServices({ services }: WorkloadMessage): ReadonlyMap<string, PortMap> {
  const converted = new Map<string, PortMap>()
  for (const [key, { ports }] of Object.entries(services ?? {})) {
    if (!key.includes('/')) throw rejected(`service ${JSON.stringify(key)} is not namespace/hostname`)
    converted.set(key, convertPorts(ports))
  }
  return converted
}

function convertApplicationTunnel({ protocol, port }: ApplicationTunnelMessage): ApplicationTunnel {
  const converted = { protocol: known(applicationProtocols, protocol, 'application_tunnel.protocol') }
  return portNumber(port) === 0 ? converted : { ...converted, port: portNumber(port) }
}
