import type { V1Namespace, V1Service } from '@culvert/kubernetes'
import {
  type GatewayAddressMessage,
  IPFamilies,
  type NetworkAddressMessage,
  type ServiceMessage
} from '@culvert/workloads'
import { appProtocolOf } from './app-protocol.ts'
import { ipBytes } from './ip-address.ts'
import { loadBalancingOf } from './load-balancing.ts'
import type { MeshFacts } from './mesh-facts.ts'
import { serviceHostname, serviceKey } from './names.ts'
import type { ServiceFacts } from './service-facts.ts'

export interface ServiceSurroundings {
  readonly namespace: V1Namespace | undefined
  readonly waypoint: GatewayAddressMessage | undefined
}

/** Every Service but ExternalName, which is an alias of a name and not a service of the mesh. */
export const isPublished = (service: V1Service): boolean => service.spec?.type !== 'ExternalName'

/** The Service as its endpoints see it. */
export function serviceFacts(service: V1Service, domain: string): ServiceFacts {
  const { name = '', namespace = '' } = service.metadata ?? {}
  return {
    key: serviceKey(namespace, serviceHostname(name, namespace, domain)),
    labels: service.metadata?.labels ?? {},
    ports: (service.spec?.ports ?? []).map(port => ({
      name: port.name ?? '',
      port: port.port,
      target: targetOf(port.targetPort, port.port)
    }))
  }
}

// A target of digits in quotes is a number to Kubernetes too; absent or 0, it is the port itself.
function targetOf(target: number | string | undefined, port: number): number | string {
  if (target === undefined || target === 0 || target === '') return port
  return typeof target === 'string' && /^\d+$/.test(target) ? Number(target) : target
}

function virtualIps(service: V1Service, network: string): NetworkAddressMessage[] {
  const { clusterIPs = [], clusterIP } = service.spec ?? {}
  const all = clusterIPs.length > 0 ? clusterIPs : [clusterIP]
  return all.flatMap(ip => {
    const address = ipBytes(ip)
    return address === undefined ? [] : [{ network, address }]
  })
}

function ipFamiliesOf(service: V1Service): number {
  const families = service.spec?.ipFamilies ?? []
  if (families.length === 2) return IPFamilies.DUAL
  if (families.length === 0) return IPFamilies.AUTOMATIC
  return families[0] === 'IPv6' ? IPFamilies.IPV6_ONLY : IPFamilies.IPV4_ONLY
}

// Go's strconv.ParseBool; anything else is false.
export const isTrue = (text: string | undefined): boolean => /^(1|t|T|TRUE|true|True)$/.test(text ?? '')

/** docs/spec/workload-xds.md 4.2. Undefined: not published. */
export function serviceMessage(
  service: V1Service,
  mesh: MeshFacts,
  around: ServiceSurroundings
): ServiceMessage | undefined {
  if (!isPublished(service)) return undefined
  const { name = '', namespace = '', annotations, labels = {} } = service.metadata ?? {}
  const { spec = {} } = service
  const namespaceMetadata = around.namespace?.metadata
  const loadBalancing = loadBalancingOf({
    internalTrafficPolicy: spec.internalTrafficPolicy,
    trafficDistribution: spec.trafficDistribution,
    annotations,
    namespaceAnnotations: namespaceMetadata?.annotations,
    publishNotReadyAddresses: spec.publishNotReadyAddresses
  })
  const ingressLabel = 'istio.io/ingress-use-waypoint'
  const ingressUseWaypoint =
    around.waypoint !== undefined && isTrue(labels[ingressLabel] ?? namespaceMetadata?.labels?.[ingressLabel])
  return {
    name,
    namespace,
    hostname: serviceHostname(name, namespace, mesh.domain),
    addresses: virtualIps(service, mesh.network),
    ports: (spec.ports ?? []).map(port => {
      const target = targetOf(port.targetPort, port.port)
      const appProtocol = appProtocolOf({
        name: port.name,
        number: port.port,
        protocol: port.protocol,
        appProtocol: port.appProtocol
      })
      return { servicePort: port.port, targetPort: typeof target === 'number' ? target : 0, appProtocol }
    }),
    ipFamilies: ipFamiliesOf(service),
    canonical: true,
    ...(around.waypoint === undefined ? {} : { waypoint: around.waypoint }),
    ...(ingressUseWaypoint ? { ingressUseWaypoint } : {}),
    ...(loadBalancing === undefined ? {} : { loadBalancing })
  }
}
