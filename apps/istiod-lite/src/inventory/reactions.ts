import { matchesLabels, type V1Pod } from '@culvert/kubernetes'
import { isSentToZtunnel } from '../resources/authorization-policy.ts'
import { serviceNameLabel } from '../resources/endpoint-slice-workloads.ts'
import { serviceFacts } from '../resources/kubernetes-service.ts'
import { serviceHostname } from '../resources/names.ts'
import { selectorOf } from '../resources/peer-authentication.ts'
import { nodeLocality } from '../resources/pod-workload.ts'
import { gatewayNameLabel } from '../resources/waypoint.ts'
import { workloadEntryLabels } from '../resources/workload-entry.ts'
import type { ObjectKind, ObjectKinds } from './objects.ts'
import type { PodRecords } from './pod-records.ts'
import type { UnitGraph } from './unit-graph.ts'
import { type Labels, topics, type Views } from './views.ts'

export interface ReactionContext {
  /** The lookups beside the tables are kept here; `mesh` is replaced as a whole. */
  readonly views: { -readonly [Key in keyof Views]: Views[Key] }
  readonly podRecords: PodRecords
  readonly graph: Pick<UnitGraph, 'mark' | 'touch'>
  /** Where the network label is read. */
  readonly systemNamespace: string
}

/** What follows from one change of one object, whose table has it already: added without `old`, deleted without `now`. */
export type Reactions = {
  readonly [Kind in ObjectKind]?: (old: ObjectKinds[Kind] | undefined, now: ObjectKinds[Kind] | undefined) => void
}

const differ = (a: unknown, b: unknown): boolean => JSON.stringify(a) !== JSON.stringify(b)

/** Which units each kind of object reaches, and the lookups that are kept of it. */
export function createReactions({ views, podRecords, graph, systemNamespace }: ReactionContext): Reactions {
  function labelsOf(unit: string): Labels {
    const [kind = '', key = ''] = unit.split(' ', 2)
    const [namespace = '', name = ''] = key.split('/', 2)
    if (kind === 'workloadEntry') {
      const entry = views.tables.workloadEntry.get(namespace, name)
      return entry === undefined ? {} : workloadEntryLabels(entry)
    }
    if (kind === 'serviceEntry') return views.tables.serviceEntry.get(namespace, name)?.metadata?.labels ?? {}
    if (kind !== 'pod') return {}
    return views.tables.pod.get(namespace, name)?.metadata?.labels ?? {}
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

  return {
    pod(old, now) {
      const instance = (pod: V1Pod | undefined) => pod?.metadata?.labels?.[gatewayNameLabel]
      for (const [pod, action] of [[old, 'delete'] as const, [now, 'add'] as const]) {
        const gateway = instance(pod)
        if (pod === undefined || gateway === undefined) continue
        const { namespace = '' } = pod.metadata ?? {}
        views.instancesOfGateway[action](`${namespace}/${gateway}`, pod)
        if (instance(old) !== instance(now)) graph.touch(topics.instances(namespace, gateway))
      }
      podRecords.apply(old, now)
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
          views.slicesOfPod[action](`${namespace}/${targetRef.name}`, slice)
          graph.touch(topics.slicesOfPod(namespace, targetRef.name))
        }
      }
    },
    namespace(old, now) {
      const name = (now ?? old)?.metadata?.name ?? ''
      const seen = (namespace: typeof now) => [namespace?.metadata?.labels, namespace?.metadata?.annotations]
      if (!differ(seen(old), seen(now))) return
      graph.touch(topics.namespace(name))
      if (name !== systemNamespace) return
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
        policy && [policy.spec?.selector, isSentToZtunnel(policy, views.dryRunPolicies)]
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
      if (old !== undefined) for (const host of old.spec?.hosts ?? []) views.entriesOfHost.delete(host, old)
      if (now !== undefined) for (const host of now.spec?.hosts ?? []) views.entriesOfHost.add(host, now)
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
      for (const { metadata, spec } of views.tables.gateway.all()) {
        if (spec?.gatewayClassName === className)
          graph.touch(topics.waypoint(metadata?.namespace ?? '', metadata?.name ?? ''))
      }
    }
  }
}
