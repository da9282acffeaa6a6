import type {
  NamespacedHostname,
  PortMap,
  Service,
  ServiceEndpoint,
  Workload,
  WorkloadIdentity
} from '../model/workload.ts'

/** What one connection may ask (docs/spec/workload-xds.md 3.4). None of it scans the mesh. */
export interface WorkloadLookups {
  readonly workload: (uid: string) => Workload | undefined
  /** Never a host-network workload. Several on one address: pods first, then those that speak HBONE, then the newest. */
  readonly workloadByIp: (network: string, ip: string) => Workload | undefined
  readonly workloadByHostname: (host: NamespacedHostname) => Workload | undefined
  /** The pod of this node with exactly this name, namespace and service account. */
  readonly localWorkload: (identity: WorkloadIdentity) => Workload | undefined
  /** Whether a workload of this node still runs as this account: its certificate may be dropped otherwise. */
  readonly hasLocalIdentity: (namespace: string, serviceAccount: string) => boolean
  /** Exactly this service, whatever its visibility. */
  readonly service: (host: NamespacedHostname) => Service | undefined
  /** The best visible service on this address for a client of that namespace; exact addresses before CIDRs. */
  readonly serviceByVip: (network: string, ip: string, clientNamespace?: string) => Service | undefined
  /** The best visible service of that hostname for a client of that namespace. */
  readonly serviceByHostname: (hostname: string, clientNamespace?: string) => Service | undefined
  /** Every service of that hostname, in order of arrival (a service sent again moves to the end). */
  readonly servicesByHostname: (hostname: string) => readonly Service[]
  /** The service's endpoints whose workload is known. Cheaper than its map of endpoints. */
  readonly endpointsOf: (service: Service) => Iterable<KnownEndpoint>
}

/** An endpoint whose workload is known; good until the next change. */
export interface KnownEndpoint {
  /** Made when it is asked for: do that for those that are chosen. */
  readonly workload: Workload
  readonly port: PortMap
  /** The workload's. */
  readonly capacity: number
  /** Whether the workload has an address or a hostname. */
  readonly isAddressed: boolean
}

/** The whole state, for the dump. */
export interface WorkloadListing {
  readonly workloads: () => Iterable<Workload>
  readonly services: () => Iterable<Service>
  /** Endpoints whose service has not arrived: `namespace/hostname` to uid to endpoint. */
  readonly stagedEndpoints: () => ReadonlyMap<string, ReadonlyMap<string, ServiceEndpoint>>
}
