import type { PodIndex } from '@culvert/certificates'
import type { KubernetesObject } from '@culvert/kubernetes'
import type { ManagedStatus } from '../resources/conditions.ts'
import type { MeshFacts } from '../resources/mesh-facts.ts'
import { type Computed, type ComputeOptions, computeUnit } from './compute.ts'
import { createMultimap } from './multimap.ts'
import { createObjectTables, type ObjectKind, type ObjectKinds, type ObjectTables } from './objects.ts'
import { createPodRecords } from './pod-records.ts'
import { createPublisher, type Published } from './published.ts'
import { createReactions, type ReactionContext } from './reactions.ts'
import { createUnitGraph, type Read } from './unit-graph.ts'

export interface InventoryOptions extends ComputeOptions {
  readonly mesh: Omit<MeshFacts, 'network'>
  /** Where the network label is read. */
  readonly systemNamespace: string
  /** Policies and entries with another `istio.io/rev` belong to another control plane; undefined: all are ours. */
  readonly revision: string | undefined
  /** An object that cannot be computed; what it published before stays. */
  readonly onError?: (unit: string, error: Error) => void
}

export interface Inventory {
  /** One change of one object: added without `old`, deleted without `now`. */
  apply<Kind extends ObjectKind>(
    kind: Kind,
    old: ObjectKinds[Kind] | undefined,
    now: ObjectKinds[Kind] | undefined
  ): void
  /** Computes what the changes since the last call reach, for so many milliseconds; true when nothing is left. */
  flush(budgetMs?: number): boolean
  readonly published: Published
  readonly tables: ObjectTables
  /** Pods as node authorization sees them. */
  readonly podIndex: PodIndex
  /** What the unit's object should say of itself. */
  statusesOf(unit: string): readonly ManagedStatus[]
  unitsWithStatus(): Iterable<string>
  /** Units whose conditions were computed since the last call. */
  takeStatusChanges(): Iterable<string>
}

const revisioned: ReadonlySet<ObjectKind> = new Set([
  'authorizationPolicy',
  'peerAuthentication',
  'serviceEntry',
  'workloadEntry'
])
const units: ReadonlySet<ObjectKind> = new Set([
  'pod',
  'service',
  'endpointSlice',
  'serviceEntry',
  'workloadEntry',
  'authorizationPolicy',
  'peerAuthentication',
  'gateway'
])

/** Everything known of the cluster, and the resources computed from it. */
export function createInventory(options: InventoryOptions): Inventory {
  const tables = createObjectTables()
  const publisher = createPublisher()
  const podRecords = createPodRecords()
  const statusOf = new Map<string, readonly ManagedStatus[]>()
  let statusChanges = new Set<string>()
  const views: ReactionContext['views'] = {
    tables,
    slicesOfPod: createMultimap(),
    entriesOfHost: createMultimap(),
    mesh: { ...options.mesh, network: '' },
    dryRunPolicies: options.dryRunPolicies,
    waypointPolicies: options.waypointPolicies,
    instancesOfGateway: createMultimap()
  }
  // An object that passed the API server's checks and is odd all the same must not stop the others.
  function attempt(unit: string, read: Read): Computed | undefined {
    try {
      return computeUnit(views, options, unit, read)
    } catch (error) {
      options.onError?.(unit, error as Error)
      return undefined
    }
  }
  const graph = createUnitGraph((unit, read) => {
    const computed = attempt(unit, read)
    if (computed === undefined) return
    const { addresses, policies, statuses } = computed
    publisher.publish(unit, addresses, policies)
    if (statuses === undefined) statusOf.delete(unit)
    else {
      statusOf.set(unit, statuses)
      statusChanges.add(unit)
    }
  })

  const { systemNamespace } = options
  const reactions = createReactions({ views, podRecords, graph, systemNamespace })

  const isOurs = (kind: ObjectKind, object: KubernetesObject | undefined): boolean => {
    const revision = object?.metadata?.labels?.['istio.io/rev']
    return !revisioned.has(kind) || !options.revision || revision === undefined || revision === options.revision
  }

  function apply<Kind extends ObjectKind>(
    kind: Kind,
    givenOld: ObjectKinds[Kind] | undefined,
    givenNow: ObjectKinds[Kind] | undefined
  ): void {
    const { namespace = '', name = '' } = (givenNow ?? givenOld)?.metadata ?? {}
    const old = tables[kind].get(namespace, name)
    const now = isOurs(kind, givenNow) ? givenNow : undefined
    if (old === undefined && now === undefined) return
    tables[kind].set(namespace, name, now)
    const react = reactions[kind] as ((a: typeof old, b: typeof now) => void) | undefined
    react?.(old, now)
    if (units.has(kind)) graph.mark(`${kind} ${namespace}/${name}`)
  }

  return {
    apply,
    flush: budgetMs => graph.flush(budgetMs),
    published: publisher,
    tables,
    statusesOf: unit => statusOf.get(unit) ?? [],
    unitsWithStatus: () => statusOf.keys(),
    takeStatusChanges() {
      const taken = statusChanges
      statusChanges = new Set()
      return taken
    },
    podIndex: podRecords
  }
}
