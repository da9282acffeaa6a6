import { matchesLabels } from '@culvert/kubernetes'
import { isSentToZtunnel } from '../resources/authorization-policy.ts'
import {
  modeOf,
  namedPolicy,
  oldest,
  type ParentModes,
  type PeerAuthenticationLevels,
  selectorOf
} from '../resources/peer-authentication.ts'
import type { Read } from './unit-graph.ts'
import { type Labels, topics, type Views } from './views.ts'

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
