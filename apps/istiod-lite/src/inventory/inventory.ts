import {
  type KubernetesObject,
  matchesLabels,
  type ServiceEntry,
  type V1EndpointSlice,
  type V1Pod
} from '@culvert/kubernetes'
import type { PodIndex, PodRecord } from '@culvert/certificates'
import { isSentToZtunnel } from '../resources/authorization-policy.ts'
import type { ManagedStatus } from '../resources/conditions.ts'
import { serviceNameLabel } from '../resources/endpoint-slice-workloads.ts'
import { serviceFacts } from '../resources/kubernetes-service.ts'
import type { MeshFacts } from '../resources/mesh-facts.ts'
import { serviceHostname } from '../resources/names.ts'
import { selectorOf } from '../resources/peer-authentication.ts'
import { nodeLocality } from '../resources/pod-workload.ts'
import { gatewayNameLabel } from '../resources/waypoint.ts'
import { workloadEntryLabels } from '../resources/workload-entry.ts'
import { type Computed, type ComputeOptions, computeUnit } from './compute.ts'
import { createMultimap } from './multimap.ts'
import { createObjectTables, type ObjectKind, type ObjectKinds, type ObjectTables } from './objects.ts'
import { createPublisher, type Published } from './published.ts'
import { createUnitGraph, type Read } from './unit-graph.ts'
import { topics, type Views } from './views.ts'

type Labels = Readonly<Record<string, string>>

export interface InventoryOptions extends ComputeOptions {
  readonly mesh: Omit<MeshFacts, 'network'>
  /** Where the network label is read. */
  readonly systemNamespace: string
  /** Objects of these kinds with another `istio.io/rev` belong to another control plane; undefined: all are ours. */
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

const differ = (a: unknown, b: unknown): boolean => JSON.stringify(a) !== JSON.stringify(b)

/** Everything known of the cluster, and the resources computed from it. */
export function createInventory(options: InventoryOptions): Inventory {
  const tables = createObjectTables()
  const publisher = createPublisher()
  const slicesOfPod = createMultimap<V1EndpointSlice>()
  const entriesOfHost = createMultimap<ServiceEntry>()
  const instancesOfGateway = createMultimap<V1Pod>()
  const podsOfNode = createMultimap<PodRecord>()
  const podRecords = new Map<string, PodRecord>()
  const statusOf = new Map<string, readonly ManagedStatus[]>()
  let statusChanges = new Set<string>()
  const views: { -readonly [Key in keyof Views]: Views[Key] } = {
    tables,
    slicesOfPod,
    entriesOfHost,
    mesh: { ...options.mesh, network: '' },
    dryRunPolicies: options.dryRunPolicies,
    waypointPolicies: options.waypointPolicies,
    instancesOfGateway
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

  function labelsOf(unit: string): Labels {
    const [kind = '', key = ''] = unit.split(' ', 2)
    const [namespace = '', name = ''] = key.split('/', 2)
    if (kind === 'workloadEntry') {
      const entry = tables.workloadEntry.get(namespace, name)
      return entry === undefined ? {} : workloadEntryLabels(entry)
    }
    if (kind === 'serviceEntry') return tables.serviceEntry.get(namespace, name)?.metadata?.labels ?? {}
    if (kind !== 'pod') return {}
    return tables.pod.get(namespace, name)?.metadata?.labels ?? {}
  }

  /** Units that a selector reaches, before or after a change. */
  function reachedBy(selectors: readonly (Labels | undefined)[]): (unit: string) => boolean {
    const real = selectors.filter(selector => selector !== undefined && Object.keys(selector).length > 0) as Labels[]
    return unit => {
      const labels = labelsOf(unit)
      return real.some(selector => matchesLabels(selector, labels))
    }
  }

  function touchSelected(topic: string, selectors: readonly (Labels | undefined)[]): void {
    graph.touch(topic, reachedBy(selectors))
  }

  const reactions: {
    [Kind in ObjectKind]?: (old: ObjectKinds[Kind] | undefined, now: ObjectKinds[Kind] | undefined) => void
  } = {
    pod(old, now) {
      const instance = (pod: V1Pod | undefined) => pod?.metadata?.labels?.[gatewayNameLabel]
      for (const [pod, action] of [[old, 'delete'] as const, [now, 'add'] as const]) {
        const gateway = instance(pod)
        if (pod === undefined || gateway === undefined) continue
        const { namespace = '' } = pod.metadata ?? {}
        instancesOfGateway[action](`${namespace}/${gateway}`, pod)
        if (instance(old) !== instance(now)) graph.touch(topics.instances(namespace, gateway))
      }
      for (const [pod, action] of [[old, 'delete'] as const, [now, 'add'] as const]) {
        const { namespace = '', name = '' } = pod?.metadata ?? {}
        const key = `${namespace}/${name}`
        if (pod === undefined) continue
        if (action === 'delete') {
          const record = podRecords.get(key)
          podRecords.delete(key)
          if (record?.node !== undefined) podsOfNode.delete(record.node, record)
        } else if (pod.status?.phase !== 'Failed') {
          const record = {
            namespace,
            name,
            uid: pod.metadata?.uid ?? '',
            serviceAccount: pod.spec?.serviceAccountName ?? '',
            node: pod.spec?.nodeName || undefined
          }
          podRecords.set(key, record)
          if (record.node !== undefined) podsOfNode.add(record.node, record)
        }
      }
    },
    service(old, now) {
      const { namespace = '', name = '' } = (now ?? old)?.metadata ?? {}
      const { domain } = views.mesh
      if (!old || !now || differ(old.metadata?.labels, now.metadata?.labels)) {
        graph.touch(topics.target('Service', namespace, name))
      }
      const seen = (service: typeof now) =>
        service && [serviceFacts(service, domain), service.spec?.selector, service.spec?.type === 'ExternalName']
      if (!differ(seen(old), seen(now))) return
      touchSelected(topics.selectors(namespace), [old?.spec?.selector, now?.spec?.selector])
      graph.touch(topics.service(namespace, name))
      graph.touch(topics.host(serviceHostname(name, namespace, domain)))
    },
    endpointSlice(old, now) {
      for (const [slice, action] of [[old, 'delete'] as const, [now, 'add'] as const]) {
        if (slice?.metadata?.labels?.[serviceNameLabel] === undefined) continue
        for (const { targetRef } of slice.endpoints ?? []) {
          if (targetRef?.kind !== 'Pod' || targetRef.name === undefined) continue
          const namespace = targetRef.namespace ?? slice.metadata.namespace ?? ''
          slicesOfPod[action](`${namespace}/${targetRef.name}`, slice)
          graph.touch(topics.slicesOfPod(namespace, targetRef.name))
        }
      }
    },
    namespace(old, now) {
      const name = (now ?? old)?.metadata?.name ?? ''
      const seen = (namespace: typeof now) => [namespace?.metadata?.labels, namespace?.metadata?.annotations]
      if (!differ(seen(old), seen(now))) return
      graph.touch(topics.namespace(name))
      if (name !== options.systemNamespace) return
      const network = now?.metadata?.labels?.['topology.istio.io/network'] ?? ''
      if (network === views.mesh.network) return
      views.mesh = { ...views.mesh, network }
      graph.touch(topics.mesh)
    },
    node(old, now) {
      // Nodes change every few seconds; of all that only the locality is in a message.
      if (differ(nodeLocality(old), nodeLocality(now))) graph.touch(topics.node((now ?? old)?.metadata?.name ?? ''))
    },
    authorizationPolicy(old, now) {
      const { namespace = '' } = (now ?? old)?.metadata ?? {}
      const seen = (policy: typeof now) =>
        policy && [policy.spec?.selector, isSentToZtunnel(policy, options.dryRunPolicies)]
      if (!differ(seen(old), seen(now))) return
      touchSelected(topics.policies(namespace), [old?.spec?.selector?.matchLabels, now?.spec?.selector?.matchLabels])
    },
    peerAuthentication(old, now) {
      const { namespace = '' } = (now ?? old)?.metadata ?? {}
      graph.mark('staticStrict /')
      if (!differ(old?.spec, now?.spec)) return
      const selectors = [old, now].map(object => object && (selectorOf(object) ?? {}))
      // An object without a selector speaks for all of its namespace, the root's for everybody.
      const forAll = selectors.some(selector => selector !== undefined && Object.keys(selector).length === 0)
      if (forAll) graph.touch(topics.peers(namespace))
      else touchSelected(topics.peers(namespace), selectors)
    },
    serviceEntry(old, now) {
      const { namespace = '', name = '' } = (now ?? old)?.metadata ?? {}
      graph.touch(topics.target('ServiceEntry', namespace, name))
      if (old !== undefined) for (const host of old.spec?.hosts ?? []) entriesOfHost.delete(host, old)
      if (now !== undefined) for (const host of now.spec?.hosts ?? []) entriesOfHost.add(host, now)
      for (const host of new Set([...(old?.spec?.hosts ?? []), ...(now?.spec?.hosts ?? [])])) {
        graph.touch(topics.host(host))
      }
      const seen = (entry: typeof now) => entry && [entry.spec, entry.metadata?.labels]
      if (!differ(seen(old), seen(now))) return
      const selectors = [old?.spec?.workloadSelector?.labels, now?.spec?.workloadSelector?.labels]
      touchSelected(topics.selectors(namespace), selectors)
    },
    gateway(old, now) {
      const { namespace = '', name = '' } = (now ?? old)?.metadata ?? {}
      graph.touch(topics.waypoint(namespace, name))
    },
    gatewayClass(old, now) {
      const className = (now ?? old)?.metadata?.name ?? ''
      graph.touch(topics.gatewayClass(className))
      for (const { metadata, spec } of tables.gateway.all()) {
        if (spec?.gatewayClassName === className)
          graph.touch(topics.waypoint(metadata?.namespace ?? '', metadata?.name ?? ''))
      }
    }
  }

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
    podIndex: {
      pod: (namespace, name) => podRecords.get(`${namespace}/${name}`),
      podsOnNode: node => podsOfNode.get(node)
    }
  }
}
