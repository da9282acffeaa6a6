import {
  matchesLabels,
  type ServiceEntry,
  type V1EndpointSlice,
  type V1ObjectMeta,
  type V1Pod
} from '@culvert/kubernetes'
import type { AuthorizationMessage } from '@culvert/workloads'
import { isSentToZtunnel } from '../resources/authorization-policy.ts'
import { serviceNameLabel } from '../resources/endpoint-slice-workloads.ts'
import { isPublished, serviceFacts } from '../resources/kubernetes-service.ts'
import type { MeshFacts } from '../resources/mesh-facts.ts'
import { serviceHostname } from '../resources/names.ts'
import {
  namedPolicy,
  oldest,
  type ParentModes,
  type PeerAuthenticationLevels,
  modeOf,
  selectorOf
} from '../resources/peer-authentication.ts'
import { serviceEntryFacts } from '../resources/service-entry.ts'
import type { ServiceFacts } from '../resources/service-facts.ts'
import {
  bindWaypoint,
  canaryReference,
  gatewayNameLabel,
  type Waypoint,
  type WaypointBinding,
  waypointOf,
  waypointReference,
  weightedWaypoints
} from '../resources/waypoint.ts'
import { waypointPolicy } from '../resources/waypoint-policy.ts'
import type { TargetLookups } from '../resources/waypoint-conditions.ts'
import type { Multimap } from './multimap.ts'
import type { ObjectTables } from './objects.ts'
import type { Read } from './unit-graph.ts'

type Labels = Readonly<Record<string, string>>

/** Reads of the inventory that note what they read, so that a change there computes the reader again. */
export interface Views {
  readonly tables: ObjectTables
  readonly mesh: MeshFacts
  readonly slicesOfPod: Multimap<V1EndpointSlice>
  readonly entriesOfHost: Multimap<ServiceEntry>
  readonly dryRunPolicies: boolean
  /** `PILOT_AUTO_ALLOW_WAYPOINT_POLICY`. */
  readonly waypointPolicies: boolean
  /** Pods by the `namespace/name` of the Gateway that they are instances of. */
  readonly instancesOfGateway: Multimap<V1Pod>
}

export const topics = {
  mesh: 'mesh',
  node: (name: string) => `node ${name}`,
  namespace: (name: string) => `namespace ${name}`,
  selectors: (namespace: string) => `selectors ${namespace}`,
  service: (namespace: string, name: string) => `service ${namespace}/${name}`,
  slicesOfPod: (namespace: string, name: string) => `slices-of-pod ${namespace}/${name}`,
  policies: (namespace: string) => `policies ${namespace}`,
  peers: (namespace: string) => `peers ${namespace}`,
  waypoint: (namespace: string, name: string) => `waypoint ${namespace}/${name}`,
  host: (hostname: string) => `host ${hostname}`,
  /** Labels of a Service or ServiceEntry, for those who refer to it by name. */
  target: (kind: string, namespace: string, name: string) => `target ${kind} ${namespace}/${name}`,
  gatewayClass: (name: string) => `gateway-class ${name}`,
  instances: (namespace: string, name: string) => `instances ${namespace}/${name}`
}

/** Services and entries of the namespace whose selector matches. */
export function selectingServices(views: Views, read: Read, namespace: string, labels: Labels): ServiceFacts[] {
  const { tables, mesh } = views
  read(topics.selectors(namespace))
  const facts: ServiceFacts[] = []
  for (const service of tables.service.in(namespace)) {
    const selector = service.spec?.selector ?? {}
    if (isPublished(service) && Object.keys(selector).length > 0 && matchesLabels(selector, labels)) {
      facts.push(serviceFacts(service, mesh.domain))
    }
  }
  for (const entry of tables.serviceEntry.in(namespace)) {
    const selector = entry.spec?.workloadSelector?.labels ?? {}
    if (Object.keys(selector).length === 0 || !matchesLabels(selector, labels)) continue
    for (const host of new Set(entry.spec?.hosts ?? [])) {
      if (ownsHost(views, read, entry, host)) facts.push(serviceEntryFacts(entry, host))
    }
  }
  return facts
}

/** Services without a selector whose EndpointSlices name this very pod. */
export function slicedServices({ tables, mesh, slicesOfPod }: Views, read: Read, pod: V1Pod): ServiceFacts[] {
  const { namespace = '', name = '', uid } = pod.metadata ?? {}
  read(topics.slicesOfPod(namespace, name))
  const facts = new Map<string, ServiceFacts>()
  for (const slice of slicesOfPod.get(`${namespace}/${name}`)) {
    const serviceName = slice.metadata?.labels?.[serviceNameLabel]
    if (serviceName === undefined || slice.metadata?.namespace !== namespace) continue
    const named = slice.endpoints?.some(({ targetRef }) => targetRef?.name === name && targetRef.uid === uid)
    if (!named) continue
    read(topics.service(namespace, serviceName))
    const service = tables.service.get(namespace, serviceName)
    if (service === undefined || !isPublished(service)) continue
    if (Object.keys(service.spec?.selector ?? {}).length > 0) continue
    const fact = serviceFacts(service, mesh.domain)
    facts.set(fact.key, fact)
  }
  return [...facts.values()]
}

/** The oldest object without a selector: a namespace's word, or the mesh's in the root namespace. */
function namespaceLevel({ tables }: Views, namespace: string) {
  return oldest([...tables.peerAuthentication.in(namespace)].filter(object => selectorOf(object) === undefined))
}

export function parentModes(views: Views, read: Read, namespace: string): ParentModes {
  const { rootNamespace } = views.mesh
  read(topics.peers(namespace))
  read(topics.peers(rootNamespace))
  const own = namespaceLevel(views, namespace)
  return { namespace: own === undefined ? 'absent' : modeOf(own), mesh: modeOf(namespaceLevel(views, rootNamespace)) }
}

function peerLevels(views: Views, read: Read, namespace: string, labels: Labels): PeerAuthenticationLevels {
  const { rootNamespace } = views.mesh
  read(topics.peers(namespace))
  read(topics.peers(rootNamespace))
  const mesh = namespaceLevel(views, rootNamespace)
  // Selector objects in the root namespace are ignored, for its own workloads too.
  if (namespace === rootNamespace) return { mesh, namespace: undefined, workload: undefined }
  const selecting = [...views.tables.peerAuthentication.in(namespace)].filter(object => {
    const selector = selectorOf(object)
    return selector !== undefined && matchesLabels(selector, labels)
  })
  return { mesh, namespace: namespaceLevel(views, namespace), workload: oldest(selecting) }
}

/** What a workload lists, in the order of docs/spec/authorization.md 4.2. */
export function policiesOf(views: Views, read: Read, namespace: string, labels: Labels): string[] {
  const { rootNamespace } = views.mesh
  const names: string[] = []
  for (const place of new Set([namespace, rootNamespace])) {
    read(topics.policies(place))
    for (const policy of views.tables.authorizationPolicy.in(place)) {
      const selector = policy.spec?.selector?.matchLabels ?? {}
      if (Object.keys(selector).length === 0 || !matchesLabels(selector, labels)) continue
      if (isSentToZtunnel(policy, views.dryRunPolicies)) names.push(`${place}/${policy.metadata?.name ?? ''}`)
    }
  }
  names.sort()
  const peer = namedPolicy(peerLevels(views, read, namespace, labels), rootNamespace)
  return peer === undefined ? names : [...names, peer]
}

export function waypointNamed(
  { tables, mesh }: Views,
  read: Read,
  namespace: string,
  name: string
): Waypoint | undefined {
  read(topics.waypoint(namespace, name))
  const gateway = tables.gateway.get(namespace, name)
  if (gateway === undefined) return undefined
  return waypointOf(gateway, tables.gatewayClass.get('', gateway.spec?.gatewayClassName ?? ''), mesh.network)
}

/** The waypoint that a pod is an instance of. */
export function waypointServedBy(views: Views, read: Read, namespace: string, labels: Labels): Waypoint | undefined {
  const name = labels[gatewayNameLabel]
  return name === undefined ? undefined : waypointNamed(views, read, namespace, name)
}

export function bindingOf(
  views: Views,
  read: Read,
  object: { traffic: 'service' | 'workload'; namespace: string; labels: Labels }
): WaypointBinding {
  read(topics.namespace(object.namespace))
  const namespace = views.tables.namespace.get('', object.namespace)
  const reference = waypointReference(object.namespace, object.labels, namespace?.metadata?.labels ?? {})
  const waypoint = reference && waypointNamed(views, read, reference.namespace, reference.name)
  return bindWaypoint(reference, waypoint, { traffic: object.traffic, namespaceName: object.namespace, namespace })
}

/** The policy that only lets a waypoint's own pods in; undefined while it has none, or without the switch. */
export function policyOfWaypoint(
  views: Views,
  read: Read,
  { namespace, name }: Pick<Waypoint, 'namespace' | 'name'>
): AuthorizationMessage | undefined {
  if (!views.waypointPolicies) return undefined
  read(topics.instances(namespace, name))
  const instances = [...views.instancesOfGateway.get(`${namespace}/${name}`)]
  const accounts = instances.flatMap(({ spec }) => spec?.serviceAccountName || []).sort()
  return waypointPolicy({ namespace, name }, accounts, views.mesh.trustDomain)
}

/** The waypoint policies that a workload names: of its services' waypoints, then of its own. */
export function waypointPoliciesOf(
  views: Views,
  read: Read,
  namespace: string,
  services: readonly ServiceFacts[],
  own: WaypointBinding | undefined
): string[] {
  if (!views.waypointPolicies) return []
  const bindings = services.map(({ labels }) => bindingOf(views, read, { traffic: 'service', namespace, labels }))
  const names = [...bindings, ...(own === undefined ? [] : [own])].flatMap(binding => {
    const policy = binding.kind === 'bound' ? policyOfWaypoint(views, read, binding.waypoint) : undefined
    return policy === undefined ? [] : [`${policy.namespace}/${policy.name}`]
  })
  return [...new Set(names)]
}

export type Canary = ReturnType<typeof weightedWaypoints>

/** The share of a second waypoint, for a Service or ServiceEntry that is bound to a first. */
export function canaryOf(
  views: Views,
  read: Read,
  primary: WaypointBinding,
  object: { namespace: string; metadata: V1ObjectMeta | undefined }
): Canary | undefined {
  if (primary.kind !== 'bound') return undefined
  const { namespace } = object
  read(topics.namespace(namespace))
  const ofNamespace = views.tables.namespace.get('', namespace)
  const reference = canaryReference(namespace, object.metadata ?? {}, ofNamespace?.metadata ?? {})
  if (reference === undefined) return undefined
  const found = waypointNamed(views, read, reference.namespace, reference.name)
  const where = { traffic: 'service', namespaceName: namespace, namespace: ofNamespace } as const
  return weightedWaypoints(primary.waypoint, reference, bindWaypoint(reference, found, where))
}

/** Whether an entry speaks for a host of its namespace: no Kubernetes Service does, and no older entry. */
export function ownsHost(
  { tables, mesh, entriesOfHost }: Views,
  read: Read,
  entry: ServiceEntry,
  host: string
): boolean {
  const { namespace = '' } = entry.metadata ?? {}
  read(topics.host(host))
  if (kubernetesServiceOf(tables, mesh, host, namespace)) return false
  const rivals = [...entriesOfHost.get(host)].filter(other => other.metadata?.namespace === namespace)
  return rivals.every(other => other === entry || !isOlder(other, entry))
}

/** The one that answers for a host outside its own namespace. */
export function isCanonical(
  { tables, mesh, entriesOfHost }: Views,
  read: Read,
  entry: ServiceEntry,
  host: string
): boolean {
  read(topics.host(host))
  if (kubernetesServiceOf(tables, mesh, host)) return false
  return [...entriesOfHost.get(host)].every(other => other === entry || !isOlder(other, entry))
}

function kubernetesServiceOf(tables: ObjectTables, mesh: MeshFacts, host: string, namespace?: string): boolean {
  const [name = '', ns = ''] = host.split('.')
  if (host !== serviceHostname(name, ns, mesh.domain) || (namespace !== undefined && ns !== namespace)) return false
  const service = tables.service.get(ns, name)
  return service !== undefined && isPublished(service)
}

function isOlder(a: ServiceEntry, b: ServiceEntry): boolean {
  const age = ({ metadata }: ServiceEntry) =>
    `${metadata?.creationTimestamp ?? ''} ${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`
  return age(a) < age(b)
}

/** What the targets of a policy are looked up in. */
export function targetLookups(views: Views, read: Read, namespace: string): TargetLookups {
  return {
    serviceWaypoint(kind, name) {
      if (kind !== 'Service' && kind !== 'ServiceEntry') return undefined
      read(topics.target(kind, namespace, name))
      const table = kind === 'Service' ? views.tables.service : views.tables.serviceEntry
      const object = table.get(namespace, name)
      if (object === undefined) return undefined
      const binding = bindingOf(views, read, { traffic: 'service', namespace, labels: object.metadata?.labels ?? {} })
      return binding.kind === 'bound' ? binding.waypoint : null
    },
    isWaypoint: name => waypointNamed(views, read, namespace, name) !== undefined,
    classController(name) {
      read(topics.gatewayClass(name))
      return views.tables.gatewayClass.get('', name)?.spec?.controllerName
    }
  }
}
