/**
 * Workloads and services as the proxy keeps them: docs/spec/workload-xds.md 3, values after conversion. IP addresses
 * are canonical text (RFC 5952), so equal addresses are equal strings.
 */
export interface Workload {
  readonly uid: string
  readonly name: string
  readonly namespace: string
  readonly serviceAccount: string
  readonly trustDomain: string
  readonly workloadIps: readonly string[]
  /** Looked up in DNS when there is no address. */
  readonly hostname: string
  readonly network: string
  readonly node: string
  readonly protocol: 'TCP' | 'HBONE'
  readonly networkMode: 'Standard' | 'HostNetwork'
  readonly waypoint?: GatewayAddress
  readonly networkGateway?: GatewayAddress
  readonly workloadName: string
  /** `deployment`, `cronjob`, `pod` or `job`; anything in a local configuration file. */
  readonly workloadType: string
  readonly canonicalName: string
  readonly canonicalRevision: string
  readonly clusterId: string
  readonly locality: Locality
  /** The workload itself speaks the tunnel. */
  readonly nativeTunnel: boolean
  readonly applicationTunnel?: ApplicationTunnel
  /** Policies with a selector that chose this workload, `namespace/name`. */
  readonly authorizationPolicies: readonly string[]
  readonly status: HealthStatus
  /** `namespace/hostname` of each service to this endpoint's own ports. */
  readonly services: ReadonlyMap<string, PortMap>
  /** Relative weight. 0: never chosen. */
  readonly capacity: number
}

export interface Service {
  readonly name: string
  readonly namespace: string
  readonly hostname: string
  readonly vips: readonly NetworkAddress[]
  readonly cidrVips: readonly NetworkCidr[]
  /** Target 0: a named port, look at the endpoint. */
  readonly ports: PortMap
  /** By workload uid. Live: the index adds and removes endpoints as workloads come and go. */
  readonly endpoints: ReadonlyMap<string, ServiceEndpoint>
  readonly subjectAltNames: readonly string[]
  readonly waypoint?: GatewayAddress
  readonly weightedWaypoints: readonly WeightedWaypoint[]
  readonly loadBalancer?: LoadBalancer
  /** Absent: any. */
  readonly ipFamilies?: 'Dual' | 'IPv4' | 'IPv6'
  readonly canonical: boolean
  readonly visibility: 'Public' | 'Namespace'
}

export type HealthStatus = 'Healthy' | 'Unhealthy'

/** Service port to target port. */
export type PortMap = ReadonlyMap<number, number>

export interface ServiceEndpoint {
  readonly workloadUid: string
  readonly port: PortMap
  readonly status: HealthStatus
}

export interface NetworkAddress {
  readonly network: string
  readonly ip: string
}

export interface NetworkCidr {
  readonly network: string
  readonly ip: string
  readonly prefixLength: number
}

export type GatewayDestination = NetworkAddress | NamespacedHostname

export interface NamespacedHostname {
  readonly namespace: string
  readonly hostname: string
}

export interface GatewayAddress {
  readonly destination: GatewayDestination
  readonly hboneMtlsPort: number
}

export interface WeightedWaypoint {
  readonly destination: GatewayAddress
  readonly weight: number
}

export interface ApplicationTunnel {
  readonly protocol: 'NONE' | 'PROXY'
  readonly port?: number
}

export interface Locality {
  readonly region: string
  readonly zone: string
  readonly subzone: string
}

export type RoutingScopeName = 'Region' | 'Zone' | 'Subzone' | 'Node' | 'Cluster' | 'Network'

export interface LoadBalancer {
  readonly routingPreferences: readonly RoutingScopeName[]
  readonly mode: 'Standard' | 'Strict' | 'Failover' | 'Passthrough'
  readonly healthPolicy: 'OnlyHealthy' | 'AllowAll'
}

/** What the node agent says a pod is; names the local workload (docs/spec/zds.md 4.4). */
export interface WorkloadIdentity {
  readonly name: string
  readonly namespace: string
  readonly serviceAccount: string
}

export const isHostname = (destination: GatewayDestination): destination is NamespacedHostname =>
  'hostname' in destination

/** Resource name of a service, and the key by which workloads name it. */
export const serviceKey = ({ namespace, hostname }: NamespacedHostname): string => `${namespace}/${hostname}`

/** The first slash splits; a name without one is no service's. */
export function parseServiceKey(key: string): NamespacedHostname | undefined {
  const slash = key.indexOf('/')
  return slash < 0 ? undefined : { namespace: key.slice(0, slash), hostname: key.slice(slash + 1) }
}
