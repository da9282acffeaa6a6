import type { AddressMessage, AuthorizationMessage, ServiceMessage, WorkloadMessage } from '@culvert/workloads'
import { translatePolicy } from '../resources/authorization-policy.ts'
import { type ManagedStatus, ztunnelPolicyManager } from '../resources/conditions.ts'
import { endpointSliceWorkloads, serviceNameLabel } from '../resources/endpoint-slice-workloads.ts'
import { isPublished, serviceFacts, serviceMessage } from '../resources/kubernetes-service.ts'
import { convertPeerAuthentication, staticStrict } from '../resources/peer-authentication.ts'
import { podWorkload } from '../resources/pod-workload.ts'
import { serviceEntryServices, serviceEntryWorkloads } from '../resources/service-entry.ts'
import {
  serviceStatus,
  targetOutcome,
  targetsOf,
  waypointAccepted,
  workloadEntryStatus
} from '../resources/waypoint-conditions.ts'
import { workloadEntryLabels, workloadEntryWorkload } from '../resources/workload-entry.ts'
import { parentModes, policiesOf } from './policy-views.ts'
import { isCanonical, ownsHost, selectingServices, slicedServices } from './service-views.ts'
import type { Read } from './unit-graph.ts'
import { topics, type Views } from './views.ts'
import {
  bindingOf,
  type Canary,
  canaryOf,
  policyOfWaypoint,
  targetLookups,
  waypointNamed,
  waypointPoliciesOf,
  waypointServedBy
} from './waypoint-views.ts'

export interface Computed {
  readonly addresses: readonly AddressMessage[]
  readonly policies: readonly AuthorizationMessage[]
  /** Conditions for the object itself. */
  readonly statuses?: readonly ManagedStatus[]
}

const ztunnelAccepted = 'ZtunnelAccepted'
const nothing: Computed = { addresses: [], policies: [] }
const workloads = (messages: readonly WorkloadMessage[]): Computed => ({
  addresses: messages.map(workload => ({ workload })),
  policies: []
})

export interface ComputeOptions {
  readonly dryRunPolicies: boolean
  /** `PILOT_AUTO_ALLOW_WAYPOINT_POLICY`. */
  readonly waypointPolicies: boolean
}

/** What one object publishes, from it and from what it touches. */
export function computeUnit(views: Views, options: ComputeOptions, unit: string, read: Read): Computed {
  const [kind = '', key = ''] = unit.split(' ', 2)
  const slash = key.indexOf('/')
  const namespace = key.slice(0, slash)
  const name = key.slice(slash + 1)
  read(topics.mesh)
  switch (kind) {
    case 'pod':
      return pod(views, read, namespace, name)
    case 'service':
      return service(views, read, namespace, name)
    case 'endpointSlice':
      return endpointSlice(views, read, namespace, name)
    case 'serviceEntry':
      return serviceEntry(views, read, namespace, name)
    case 'workloadEntry':
      return workloadEntry(views, read, namespace, name)
    case 'authorizationPolicy':
      return authorizationPolicy(views, options, read, namespace, name)
    case 'peerAuthentication':
      return peerAuthentication(views, read, namespace, name)
    case 'gateway':
      return gateway(views, read, namespace, name)
    case 'staticStrict':
      if (views.tables.peerAuthentication.size === 0) return nothing
      return { addresses: [], policies: [staticStrict(views.mesh.rootNamespace)] }
    default:
      return nothing
  }
}

function pod(views: Views, read: Read, namespace: string, name: string): Computed {
  const object = views.tables.pod.get(namespace, name)
  if (object === undefined) return nothing
  const labels = object.metadata?.labels ?? {}
  const node = object.spec?.nodeName
  if (node !== undefined) read(topics.node(node))
  const instanceOf = waypointServedBy(views, read, namespace, labels)
  const binding = instanceOf ? undefined : bindingOf(views, read, { traffic: 'workload', namespace, labels })
  const services = [...selectingServices(views, read, namespace, labels), ...slicedServices(views, read, object)]
  // A waypoint's own pods take traffic for others: a policy that only lets waypoints in is not for them.
  const waypoints = instanceOf ? [] : waypointPoliciesOf(views, read, namespace, services, binding)
  const message = podWorkload(object, views.mesh, {
    node: node === undefined ? undefined : views.tables.node.get('', node),
    services,
    policies: [...policiesOf(views, read, namespace, labels), ...waypoints],
    waypoint: binding?.kind === 'bound' ? binding.waypoint.address : undefined,
    applicationTunnel: instanceOf?.applicationTunnel
  })
  return message === undefined ? nothing : workloads([message])
}

const weightsOf = (canary: Canary | undefined): Pick<ServiceMessage, 'weightedWaypoints'> =>
  canary !== undefined && 'weighted' in canary ? { weightedWaypoints: canary.weighted } : {}

/** Services in front of a gateway that the mesh itself runs never go through a waypoint. */
const unwaypointed = new Set(['istio.io-mesh-controller', 'istio.io-eastwest-controller'])

function service(views: Views, read: Read, namespace: string, name: string): Computed {
  const object = views.tables.service.get(namespace, name)
  if (object === undefined) return nothing
  const labels = object.metadata?.labels ?? {}
  const managed = unwaypointed.has(labels['gateway.istio.io/managed'] ?? '')
  read(topics.namespace(namespace))
  const binding = managed ? undefined : bindingOf(views, read, { traffic: 'service', namespace, labels })
  const message = serviceMessage(object, views.mesh, {
    namespace: views.tables.namespace.get('', namespace),
    waypoint: binding?.kind === 'bound' ? binding.waypoint.address : undefined
  })
  if (message === undefined) return nothing
  const canary = binding && canaryOf(views, read, binding, { namespace, metadata: object.metadata })
  const status = serviceStatus(binding ?? { kind: 'none' }, message.ingressUseWaypoint === true, canary)
  return { addresses: [{ service: { ...message, ...weightsOf(canary) } }], policies: [], statuses: [status] }
}

function endpointSlice(views: Views, read: Read, namespace: string, name: string): Computed {
  const object = views.tables.endpointSlice.get(namespace, name)
  const serviceName = object?.metadata?.labels?.[serviceNameLabel]
  if (object === undefined || serviceName === undefined) return nothing
  read(topics.service(namespace, serviceName))
  const owner = views.tables.service.get(namespace, serviceName)
  const facts = owner !== undefined && isPublished(owner) ? serviceFacts(owner, views.mesh.domain) : undefined
  return workloads(endpointSliceWorkloads(object, facts, views.mesh))
}

function serviceEntry(views: Views, read: Read, namespace: string, name: string): Computed {
  const object = views.tables.serviceEntry.get(namespace, name)
  if (object === undefined) return nothing
  const labels = object.metadata?.labels ?? {}
  const binding = bindingOf(views, read, { traffic: 'service', namespace, labels })
  const canary = canaryOf(views, read, binding, { namespace, metadata: object.metadata })
  const isOwner = (host: string) => ownsHost(views, read, object, host)
  const services = serviceEntryServices(object, views.mesh, {
    namespace: views.tables.namespace.get('', namespace),
    waypoint: binding.kind === 'bound' ? binding.waypoint.address : undefined,
    isCanonical: host => isCanonical(views, read, object, host),
    isOwner
  })
  const inside = serviceEntryWorkloads(object, views.mesh, {
    policies: policiesOf(views, read, namespace, labels),
    waypoint: endpointLabels => {
      const own = bindingOf(views, read, { traffic: 'workload', namespace, labels: endpointLabels })
      return own.kind === 'bound' ? own.waypoint.address : undefined
    },
    isOwner
  })
  return {
    addresses: [
      ...services.map(message => ({ service: { ...message, ...weightsOf(canary) } })),
      ...inside.map(workload => ({ workload }))
    ],
    policies: [],
    statuses: [serviceStatus(binding, false, canary)]
  }
}

function workloadEntry(views: Views, read: Read, namespace: string, name: string): Computed {
  const object = views.tables.workloadEntry.get(namespace, name)
  if (object === undefined) return nothing
  const labels = workloadEntryLabels(object)
  const binding = bindingOf(views, read, { traffic: 'workload', namespace, labels })
  const services = selectingServices(views, read, namespace, labels)
  const waypoints = waypointPoliciesOf(views, read, namespace, services, binding)
  const message = workloadEntryWorkload(object, views.mesh, {
    services,
    policies: [...policiesOf(views, read, namespace, labels), ...waypoints],
    waypoint: binding.kind === 'bound' ? binding.waypoint.address : undefined
  })
  const ownLabel = labels['istio.io/use-waypoint'] !== undefined
  return { ...workloads([message]), statuses: [workloadEntryStatus(binding, ownLabel)] }
}

function authorizationPolicy(
  views: Views,
  options: ComputeOptions,
  read: Read,
  namespace: string,
  name: string
): Computed {
  const object = views.tables.authorizationPolicy.get(namespace, name)
  if (object === undefined) return nothing
  const { rootNamespace } = views.mesh
  const { authorization, condition } = translatePolicy(object, { rootNamespace, dryRun: options.dryRunPolicies })
  const ztunnel: ManagedStatus = {
    fieldManager: ztunnelPolicyManager,
    owns: [ztunnelAccepted],
    wants: condition === undefined ? [] : [{ type: ztunnelAccepted, ...condition }]
  }
  const lookups = targetLookups(views, read, namespace)
  const outcomes = targetsOf(object).map(target => targetOutcome(target, namespace, rootNamespace, lookups))
  return {
    addresses: [],
    policies: authorization === undefined ? [] : [authorization],
    statuses: [ztunnel, waypointAccepted(outcomes)]
  }
}

function gateway(views: Views, read: Read, namespace: string, name: string): Computed {
  const waypoint = waypointNamed(views, read, namespace, name)
  const policy = waypoint && policyOfWaypoint(views, read, waypoint)
  return policy === undefined ? nothing : { addresses: [], policies: [policy] }
}

function peerAuthentication(views: Views, read: Read, namespace: string, name: string): Computed {
  const object = views.tables.peerAuthentication.get(namespace, name)
  if (object === undefined || namespace === views.mesh.rootNamespace) return nothing
  const converted = convertPeerAuthentication(object, parentModes(views, read, namespace))
  return converted === undefined ? nothing : { addresses: [], policies: [converted] }
}
