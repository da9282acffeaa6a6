import type { AuthorizationPolicy, PolicyTargetReference } from '@culvert/kubernetes'
import {
  type ManagedStatus,
  serviceManager,
  type WantedCondition,
  waypointPolicyManager,
  workloadEntryManager
} from './conditions.ts'
import type { WaypointBinding, weightedWaypoints } from './waypoint.ts'

const waypointBound = 'istio.io/WaypointBound'

const refusals = {
  WaypointIsNotReady: 'does not exist or has no address yet',
  AttachmentDenied: 'does not allow attachment from this namespace',
  UnsupportedTrafficType: 'does not serve this kind of traffic'
} as const

type Canary = ReturnType<typeof weightedWaypoints>

function canaryRemark(canary: Canary | undefined): string {
  if (canary === undefined) return ''
  if ('problem' in canary) return `. The canary waypoint is not used: ${canary.problem}`
  return `. The canary waypoint takes ${canary.weighted[1]?.weight ?? 0} of 100 connections`
}

function boundCondition(binding: WaypointBinding, ingress: boolean, canary?: Canary): WantedCondition[] {
  if (binding.kind === 'none') return []
  if (binding.kind === 'refused') {
    const { namespace, name } = binding.reference
    const message = `Waypoint ${namespace}/${name} ${refusals[binding.reason]}`
    return [{ type: waypointBound, status: 'False', reason: binding.reason, message }]
  }
  const { namespace, name } = binding.waypoint
  const remark = ingress ? '. Ingress traffic will traverse the waypoint' : ''
  const message = `Successfully attached to waypoint ${namespace}/${name}${remark}${canaryRemark(canary)}`
  return [{ type: waypointBound, status: 'True', reason: 'WaypointAccepted', message }]
}

/** On Services and ServiceEntries; a canary's problem leaves it True (docs/spec/workload-xds.md 4.6). */
export function serviceStatus(binding: WaypointBinding, ingress: boolean, canary?: Canary): ManagedStatus {
  return { fieldManager: serviceManager, owns: [waypointBound], wants: boundCondition(binding, ingress, canary) }
}

/** A namespace's waypoint that is for services only says nothing of the entry; its own label does. */
export function workloadEntryStatus(binding: WaypointBinding, ownLabel: boolean): ManagedStatus {
  const inherited = binding.kind === 'refused' && binding.reason === 'UnsupportedTrafficType' && !ownLabel
  const wants = inherited ? [] : boundCondition(binding, false)
  return { fieldManager: workloadEntryManager, owns: [waypointBound], wants }
}

/** What became of one target of a policy. */
export interface TargetOutcome {
  readonly bound: boolean
  readonly reason: 'Accepted' | 'AncestorNotBound' | 'TargetNotFound' | 'Invalid'
  readonly message: string
  /** `<Kind>.<group>:<namespace>/<name>`. */
  readonly ancestor: string
}

export interface TargetLookups {
  /** Undefined: no such Service or ServiceEntry; null: there, without a waypoint. */
  readonly serviceWaypoint: (kind: string, name: string) => { namespace: string; name: string } | null | undefined
  readonly isWaypoint: (name: string) => boolean
  /** The class's controller name; undefined: no such class. */
  readonly classController: (name: string) => string | undefined
}

const meshController = 'istio.io/mesh-controller'

/** docs/spec/authorization.md 6.2, first table. */
export function targetOutcome(
  target: PolicyTargetReference,
  policyNamespace: string,
  rootNamespace: string,
  lookups: TargetLookups
): TargetOutcome {
  const { kind, name } = target
  const key = `${policyNamespace}/${name}`
  const ancestor = `${kind}.${target.group || 'core'}:${key}`
  const outcome = (reason: TargetOutcome['reason'], message: string): TargetOutcome => ({
    bound: reason === 'Accepted',
    reason,
    message,
    ancestor
  })
  if (kind === 'Gateway') {
    return lookups.isWaypoint(name) ? outcome('Accepted', `bound to ${key}`) : outcome('TargetNotFound', 'not bound')
  }
  if (kind === 'GatewayClass') {
    if (policyNamespace !== rootNamespace) {
      const place = `AuthorizationPolicy must be in the root namespace \`${rootNamespace}\` when referencing a GatewayClass`
      return outcome('Invalid', place)
    }
    const controller = lookups.classController(name)
    if (controller === undefined) return outcome('TargetNotFound', 'not bound')
    if (controller === meshController) return outcome('Accepted', `bound to ${name}`)
    return outcome('Invalid', `GatewayClass must use controller name \`${meshController}\` for waypoints`)
  }
  const waypoint = lookups.serviceWaypoint(kind, name)
  if (waypoint === undefined) return outcome('TargetNotFound', `${kind} ${key} was not found`)
  if (waypoint === null) return outcome('AncestorNotBound', `${kind} ${key} is not bound to a waypoint`)
  return outcome('Accepted', `bound to ${waypoint.namespace}/${waypoint.name}`)
}

export function targetsOf(policy: AuthorizationPolicy): PolicyTargetReference[] {
  const { targetRef, targetRefs } = policy.spec ?? {}
  if (targetRefs && targetRefs.length > 0) return targetRefs
  return targetRef ? [targetRef] : []
}

/** One reference speaks for itself; several are summed up. */
export function waypointAccepted(outcomes: readonly TargetOutcome[]): ManagedStatus {
  const status = (condition: Omit<WantedCondition, 'type'> | undefined): ManagedStatus => ({
    fieldManager: waypointPolicyManager,
    owns: ['WaypointAccepted'],
    wants: condition === undefined ? [] : [{ type: 'WaypointAccepted', ...condition }]
  })
  const [first] = outcomes
  if (first === undefined) return status(undefined)
  if (outcomes.length === 1) {
    return status({ status: first.bound ? 'True' : 'False', reason: first.reason, message: first.message })
  }
  const unbound = outcomes.filter(({ bound }) => !bound)
  const none = unbound.length === outcomes.length
  return status({
    status: none ? 'False' : 'True',
    reason: none ? 'Invalid' : unbound.length > 0 ? 'PartiallyInvalid' : 'Accepted',
    message: unbound.length === 0 ? '' : `Invalid targetRefs: ${unbound.map(({ ancestor }) => ancestor).join(', ')}`
  })
}
