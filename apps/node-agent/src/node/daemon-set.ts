import {
  daemonSets,
  type KubernetesClient,
  KubernetesError,
  matchesLabelSelector,
  nodes,
  type V1DaemonSet,
  type V1Node
} from '@culvert/kubernetes'
import type { DaemonSetAnswer } from '../install/index.ts'

const name = 'istio-cni-node'

/** Is the agent's DaemonSet going away, or does it only replace its pod here? (docs/spec/cni.md 3.7) */
export async function askForDaemonSet(
  client: Pick<KubernetesClient, 'get'>,
  where: { podNamespace: string; nodeName: string }
): Promise<DaemonSetAnswer> {
  try {
    const daemonSet = await client.get(daemonSets, { namespace: where.podNamespace, name })
    if (daemonSet === undefined) return { kind: 'absent' }
    if (daemonSet.metadata?.deletionTimestamp !== undefined) return { kind: 'deleting' }
    const node = await client.get(nodes, { name: where.nodeName })
    if (node === undefined) return { kind: 'failed', error: new Error(`node ${where.nodeName} does not exist`) }
    return { kind: 'present', matchesNode: matchesNode(daemonSet, node) }
  } catch (error) {
    if (error instanceof KubernetesError && error.code === 'KUBERNETES_UNAUTHORIZED') return { kind: 'unauthorized' }
    return { kind: 'failed', error: error instanceof Error ? error : new Error(String(error)) }
  }
}

type Term = NonNullable<
  NonNullable<
    NonNullable<
      NonNullable<NonNullable<NonNullable<V1DaemonSet['spec']>['template']['spec']>['affinity']>['nodeAffinity']
    >['requiredDuringSchedulingIgnoredDuringExecution']
  >['nodeSelectorTerms']
>[number]

/** The node selector and the required node affinity of its pods. */
export function matchesNode(daemonSet: V1DaemonSet, node: V1Node): boolean {
  const pod = daemonSet.spec?.template.spec
  const labels = node.metadata?.labels ?? {}
  if (!matchesLabelSelector({ matchLabels: pod?.nodeSelector ?? {} }, labels)) return false
  const required = pod?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  if (required === undefined) return true
  return required.nodeSelectorTerms.some(term => termMatches(term, labels, node.metadata?.name ?? ''))
}

/** One term; an empty one matches no node. */
function termMatches(term: Term, labels: Readonly<Record<string, string>>, nodeName: string): boolean {
  const expressions = term.matchExpressions ?? []
  const fields = term.matchFields ?? []
  if (expressions.length + fields.length === 0) return false
  const holds = (requirement: (typeof expressions)[number], values: Readonly<Record<string, string>>): boolean => {
    const { key, operator, values: wanted = [] } = requirement
    if (operator === 'Gt' || operator === 'Lt') {
      const [have, limit] = [Number.parseInt(values[key] ?? '', 10), Number.parseInt(wanted[0] ?? '', 10)]
      return operator === 'Gt' ? have > limit : have < limit
    }
    return matchesLabelSelector({ matchExpressions: [{ key, operator, values: wanted }] }, values)
  }
  return (
    expressions.every(requirement => holds(requirement, labels)) &&
    fields.every(requirement => holds(requirement, { 'metadata.name': nodeName }))
  )
}
