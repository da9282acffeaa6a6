import type { V1ObjectMeta } from '@culvert/kubernetes'
import type { AuthorizationMessage } from '@culvert/workloads'
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
import type { TargetLookups } from '../resources/waypoint-conditions.ts'
import { waypointPolicy } from '../resources/waypoint-policy.ts'
import type { Read } from './unit-graph.ts'
import { type Labels, topics, type Views } from './views.ts'

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
