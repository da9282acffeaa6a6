import type { ServiceEntry, V1Namespace, WorkloadEntrySpec } from '@culvert/kubernetes'
import {
  type GatewayAddressMessage,
  HealthPolicy,
  LoadBalancingMode,
  type NetworkAddressMessage,
  NetworkMode,
  type ServiceMessage,
  type WorkloadMessage,
  WorkloadStatus,
  WorkloadType
} from '@culvert/workloads'
import { appProtocolOf } from './app-protocol.ts'
import { ipBytes, masked, parsePrefix } from './ip-address.ts'
import { loadBalancingOf } from './load-balancing.ts'
import type { MeshFacts } from './mesh-facts.ts'
import { serviceEntryEndpointUid, serviceKey } from './names.ts'
import { podTunnel } from './pod-workload.ts'
import type { ServiceFacts } from './service-facts.ts'
import { entryPorts } from './target-ports.ts'
import { canonicalName, canonicalRevision } from './workload-name.ts'

/** The entry as its endpoints see it, one service per host. */
export function serviceEntryFacts(entry: ServiceEntry, host: string): ServiceFacts {
  const { namespace = '' } = entry.metadata ?? {}
  return {
    key: serviceKey(namespace, host),
    labels: entry.metadata?.labels ?? {},
    ports: (entry.spec?.ports ?? []).map(({ name, number, targetPort }) => ({
      name,
      port: number,
      target: targetPort || number,
      fromServiceEntry: true
    }))
  }
}

const isDns = (entry: ServiceEntry): boolean => /^(DNS|DNS_ROUND_ROBIN|DYNAMIC_DNS)$/.test(entry.spec?.resolution ?? '')

/** Undefined: an address does not parse, which takes all the entry's services with it. */
function declaredAddresses(entry: ServiceEntry, network: string): NetworkAddressMessage[] | undefined {
  const addresses: NetworkAddressMessage[] = []
  for (const text of entry.spec?.addresses ?? []) {
    const prefix = parsePrefix(text)
    if (prefix === undefined) return undefined
    const whole = prefix.length === prefix.address.length * 8
    addresses.push(
      whole ? { network, address: prefix.address } : { network, address: masked(prefix), length: prefix.length }
    )
  }
  return addresses
}

function allocatedAddresses(entry: ServiceEntry, host: string, network: string): NetworkAddressMessage[] {
  const refused = entry.metadata?.labels?.['networking.istio.io/enable-autoallocate-ip'] === 'false'
  const resolution = entry.spec?.resolution ?? 'NONE'
  if (refused || resolution === 'NONE') return []
  if (host.startsWith('*') && resolution !== 'DYNAMIC_DNS') return []
  return (entry.status?.addresses ?? []).flatMap(({ value, host: forHost }) => {
    const address = forHost === host ? ipBytes(value) : undefined
    return address === undefined ? [] : [{ network, address }]
  })
}

export interface ServiceEntrySurroundings {
  readonly namespace: V1Namespace | undefined
  readonly waypoint: GatewayAddressMessage | undefined
  readonly isCanonical: (host: string) => boolean
  /** Hosts lost to a Kubernetes Service or an older entry of the namespace. */
  readonly isOwner: (host: string) => boolean
}

/** docs/spec/workload-xds.md 4.3. */
export function serviceEntryServices(
  entry: ServiceEntry,
  mesh: MeshFacts,
  around: ServiceEntrySurroundings
): ServiceMessage[] {
  const { name = '', namespace = '', annotations } = entry.metadata ?? {}
  const declared = declaredAddresses(entry, mesh.network)
  if (declared === undefined) return []
  const passthrough = (entry.spec?.resolution ?? 'NONE') === 'NONE'
  const loadBalancing = passthrough
    ? { mode: LoadBalancingMode.PASSTHROUGH, healthPolicy: HealthPolicy.ALLOW_ALL }
    : loadBalancingOf({ annotations, namespaceAnnotations: around.namespace?.metadata?.annotations })
  return [...new Set(entry.spec?.hosts ?? [])].filter(around.isOwner).map(hostname => ({
    name,
    namespace,
    hostname,
    addresses: declared.length > 0 ? declared : allocatedAddresses(entry, hostname, mesh.network),
    ports: (entry.spec?.ports ?? []).map(port => ({
      servicePort: port.number,
      targetPort: port.targetPort || port.number,
      // The declared protocol stands in for the prefix of a port's name.
      appProtocol: appProtocolOf({ name: port.protocol ?? port.name, number: port.number })
    })),
    subjectAltNames: entry.spec?.subjectAltNames ?? [],
    canonical: around.isCanonical(hostname),
    ...(around.waypoint === undefined ? {} : { waypoint: around.waypoint }),
    ...(loadBalancing === undefined ? {} : { loadBalancing })
  }))
}

export interface EndpointSurroundings {
  readonly policies: readonly string[]
  readonly waypoint: (labels: Readonly<Record<string, string>>) => GatewayAddressMessage | undefined
  readonly isOwner: (host: string) => boolean
}

export function parseLocality(text: string | undefined): WorkloadMessage['locality'] {
  if (!text) return undefined
  const [region = '', zone = '', subzone = ''] = text.split('/')
  return { region, zone, subzone }
}

/** The workloads inside an entry: its endpoints, or, for DNS without any, one per host. */
export function serviceEntryWorkloads(
  entry: ServiceEntry,
  mesh: MeshFacts,
  around: EndpointSurroundings
): WorkloadMessage[] {
  const { name = '', namespace = '', labels = {} } = entry.metadata ?? {}
  const { spec = {} } = entry
  const hosts = [...new Set(spec.hosts ?? [])].filter(around.isOwner)
  if (hosts.length === 0 || declaredAddresses(entry, mesh.network) === undefined) return []
  const facts = hosts.map(host => serviceEntryFacts(entry, host))

  const workload = (endpoint: WorkloadEntrySpec, services: ServiceFacts[], waypoint?: GatewayAddressMessage) => {
    const address = ipBytes(endpoint.address)
    const locality = parseLocality(endpoint.locality)
    return {
      uid: serviceEntryEndpointUid(mesh.clusterId, namespace, name, endpoint.address ?? ''),
      name,
      namespace,
      ...(address === undefined ? { hostname: endpoint.address ?? '' } : { addresses: [address] }),
      network: endpoint.network || mesh.network,
      ...podTunnel({}, labels),
      trustDomain: mesh.workloadTrustDomain,
      serviceAccount: endpoint.serviceAccount ?? '',
      canonicalName: canonicalName(labels, name),
      canonicalRevision: canonicalRevision(labels),
      workloadType: WorkloadType.POD,
      workloadName: name,
      services: entryPorts(endpoint.ports ?? {}, services),
      authorizationPolicies: around.policies,
      status: WorkloadStatus.HEALTHY,
      clusterId: mesh.clusterId,
      networkMode: NetworkMode.STANDARD,
      ...(waypoint === undefined ? {} : { waypoint }),
      ...(locality === undefined ? {} : { locality }),
      ...(endpoint.weight ? { capacity: { value: endpoint.weight } } : {})
    } satisfies WorkloadMessage
  }

  const endpoints = spec.endpoints ?? []
  if (endpoints.length > 0) {
    const byUid = new Map<string, WorkloadMessage>()
    for (const endpoint of endpoints) {
      const made = workload(endpoint, facts, around.waypoint(endpoint.labels ?? {}))
      byUid.set(made.uid, made)
    }
    return [...byUid.values()]
  }
  if (!isDns(entry) || spec.workloadSelector !== undefined) return []
  return hosts.map((host, index) => workload({ address: host }, [facts[index]!]))
}
