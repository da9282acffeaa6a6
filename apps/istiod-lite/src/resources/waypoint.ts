import {
  type Gateway,
  type GatewayClass,
  type GatewayListener,
  matchesLabelSelector,
  type V1Namespace
} from '@culvert/kubernetes'
import {
  ApplicationTunnelProtocol,
  type ApplicationTunnelMessage,
  type GatewayAddressMessage,
  type WeightedWaypointMessage
} from '@culvert/workloads'
import { ipBytes } from './ip-address.ts'

type Labels = Readonly<Record<string, string>>

export interface Waypoint {
  readonly namespace: string
  readonly name: string
  readonly address: GatewayAddressMessage
  /** `service`, `workload`, `all` or `none`. */
  readonly trafficType: string
  readonly applicationTunnel: ApplicationTunnelMessage | undefined
  readonly allows: (namespace: V1Namespace | undefined, name: string) => boolean
}

const hbonePort = 15008

function waypointAddress(gateway: Gateway, network: string): GatewayAddressMessage | undefined {
  const namespace = gateway.metadata?.namespace ?? ''
  const addresses = gateway.status?.addresses ?? []
  const named = addresses.find(({ type }) => type === 'Hostname')
  if (named !== undefined) return { hostname: { namespace, hostname: named.value }, hboneMtlsPort: hbonePort }
  for (const { type, value } of addresses) {
    const address = type === undefined || type === 'IPAddress' ? ipBytes(value) : undefined
    if (address !== undefined) return { address: { network, address }, hboneMtlsPort: hbonePort }
  }
  return undefined
}

/** `PROXY`, `PROXY/15088`, `NONE`; anything else is ignored. */
function inboundBinding(text: string | undefined): ApplicationTunnelMessage | undefined {
  const match = /^(NONE|PROXY)(?:\/(\d{1,5}))?$/.exec(text ?? '')
  if (match === null || Number(match[2] ?? 0) > 65_535) return undefined
  const protocol = match[1] === 'PROXY' ? ApplicationTunnelProtocol.PROXY : ApplicationTunnelProtocol.NONE
  return { protocol, port: Number(match[2] ?? 0) }
}

function allowance(
  listener: GatewayListener | undefined,
  own: string
): (namespace: V1Namespace | undefined, name: string) => boolean {
  const { from = 'Same', selector } = listener?.allowedRoutes?.namespaces ?? {}
  if (from === 'All') return () => true
  if (from === 'Selector' && selector !== undefined) {
    return namespace => matchesLabelSelector(selector, namespace?.metadata?.labels ?? {})
  }
  return (_, name) => name === own
}

/** Any Gateway with an address, whatever its class (docs/spec/workload-xds.md 4.4). */
export function waypointOf(
  gateway: Gateway,
  gatewayClass: GatewayClass | undefined,
  network: string
): Waypoint | undefined {
  const { namespace = '', name = '', labels = {}, annotations = {} } = gateway.metadata ?? {}
  const address = waypointAddress(gateway, network)
  if (address === undefined) return undefined
  const classMetadata = gatewayClass?.metadata
  const bindingKey = 'ambient.istio.io/waypoint-inbound-binding'
  const binding = inboundBinding(annotations[bindingKey]) ?? inboundBinding(classMetadata?.annotations?.[bindingKey])
  const listeners = gateway.spec?.listeners ?? []
  const proxied = binding?.protocol === ApplicationTunnelProtocol.PROXY
  const bound = listeners.find(({ port, protocol }) =>
    binding?.port ? port === binding.port : proxied && protocol === 'istio.io/PROXY'
  )
  const hbone = listeners.find(({ port, protocol }) => protocol === 'HBONE' && port === hbonePort)
  return {
    namespace,
    name,
    address,
    trafficType: labels['istio.io/waypoint-for'] || classMetadata?.labels?.['istio.io/waypoint-for'] || 'service',
    applicationTunnel: binding,
    allows: allowance(bound ?? hbone, namespace)
  }
}

export interface WaypointReference {
  readonly namespace: string
  readonly name: string
}

/** What labels ask for: the object's, else its namespace's. `none` and no label are both no waypoint. */
export function waypointReference(
  namespace: string,
  labels: Labels,
  namespaceLabels: Labels
): WaypointReference | undefined {
  const source = labels['istio.io/use-waypoint'] === undefined ? namespaceLabels : labels
  const name = source['istio.io/use-waypoint']
  if (name === undefined || name === '' || name === 'none') return undefined
  return { name, namespace: source['istio.io/use-waypoint-namespace'] || namespace }
}

export type WaypointBinding =
  | { readonly kind: 'none' }
  | { readonly kind: 'bound'; readonly waypoint: Waypoint }
  | {
      readonly kind: 'refused'
      readonly reason: 'WaypointIsNotReady' | 'AttachmentDenied' | 'UnsupportedTrafficType'
      readonly reference: WaypointReference
    }

export function bindWaypoint(
  reference: WaypointReference | undefined,
  waypoint: Waypoint | undefined,
  object: { traffic: 'service' | 'workload'; namespaceName: string; namespace: V1Namespace | undefined }
): WaypointBinding {
  if (reference === undefined) return { kind: 'none' }
  if (waypoint === undefined) return { kind: 'refused', reason: 'WaypointIsNotReady', reference }
  if (!waypoint.allows(object.namespace, object.namespaceName)) {
    return { kind: 'refused', reason: 'AttachmentDenied', reference }
  }
  if (waypoint.trafficType !== 'all' && waypoint.trafficType !== object.traffic) {
    return { kind: 'refused', reason: 'UnsupportedTrafficType', reference }
  }
  return { kind: 'bound', waypoint }
}

/** The waypoint that a pod of this namespace is an instance of, by its Gateway label. */
export const gatewayNameLabel = 'gateway.networking.k8s.io/gateway-name'

const canaryLabel = 'istio.io/use-waypoint-canary'
const canaryNamespaceLabel = 'istio.io/use-waypoint-canary-namespace'
const canaryWeightAnnotation = 'istio.io/use-waypoint-canary-weight'

type Annotations = Labels | undefined
interface Metadata {
  readonly labels?: Labels
  readonly annotations?: Annotations
}

export interface CanaryReference extends WaypointReference {
  /** Undefined: not a number from 0 to 100. */
  readonly weight: number | undefined
}

/** A second waypoint that takes a share; the namespace's word counts only where the object has no waypoint of its own. */
export function canaryReference(namespace: string, own: Metadata, ofNamespace: Metadata): CanaryReference | undefined {
  const source = own.labels?.['istio.io/use-waypoint'] === undefined ? ofNamespace : own
  const name = source.labels?.[canaryLabel]
  if (name === undefined || name === '') return undefined
  const text = source.annotations?.[canaryWeightAnnotation] ?? '0'
  const weight = /^\d{1,3}$/.test(text) && Number(text) <= 100 ? Number(text) : undefined
  return { name, namespace: source.labels?.[canaryNamespaceLabel] || namespace, weight }
}

export type CanaryProblem = 'CanaryInvalidWeight' | 'CanarySameAsPrimary' | 'CanaryNotBound'

/** Both with their shares; any problem keeps the primary alone (docs/spec/workload-xds.md 4.4). */
export function weightedWaypoints(
  primary: Waypoint,
  reference: CanaryReference,
  canary: WaypointBinding
): { weighted: WeightedWaypointMessage[] } | { problem: CanaryProblem } {
  const { weight, namespace, name } = reference
  if (weight === undefined) return { problem: 'CanaryInvalidWeight' }
  if (namespace === primary.namespace && name === primary.name) return { problem: 'CanarySameAsPrimary' }
  if (canary.kind !== 'bound') return { problem: 'CanaryNotBound' }
  return {
    weighted: [
      { destination: primary.address, weight: 100 - weight },
      { destination: canary.waypoint.address, weight }
    ]
  }
}
