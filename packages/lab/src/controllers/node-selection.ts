import type { V1Node, V1Pod } from '@culvert/kubernetes'

interface Taint {
  readonly key: string
  readonly value?: string | undefined
  readonly effect: string
}

type Affinity = NonNullable<NonNullable<V1Pod['spec']>['affinity']>
type NodeSelector = NonNullable<NonNullable<Affinity['nodeAffinity']>['requiredDuringSchedulingIgnoredDuringExecution']>
type Term = NodeSelector['nodeSelectorTerms'][number]
type Expression = NonNullable<Term['matchExpressions']>[number]

/** Why a pod cannot run on a node, in the words of Kubernetes' scheduler; undefined when it can. */
export function whyNot(pod: V1Pod, node: V1Node): string | undefined {
  if (!matchesNode(pod, node)) return "node(s) didn't match Pod's node affinity/selector"
  const taint = taintsOf(node).find(one => one.effect !== 'PreferNoSchedule' && !isTolerated(pod, one))
  if (taint === undefined) return undefined
  if (taint.key === 'node.kubernetes.io/unschedulable') return 'node(s) were unschedulable'
  return `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`
}

/** The pod's own wishes: node selector and required node affinity. */
export function matchesNode(pod: V1Pod, node: V1Node): boolean {
  const labels = node.metadata?.labels ?? {}
  const wanted = Object.entries(pod.spec?.nodeSelector ?? {})
  if (!wanted.every(([key, value]) => labels[key] === value)) return false
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  return required === undefined || required.nodeSelectorTerms.some(term => matchesTerm(term, node))
}

function matchesTerm({ matchExpressions = [], matchFields = [] }: Term, node: V1Node): boolean {
  if (matchExpressions.length + matchFields.length === 0) return false
  const labels = node.metadata?.labels ?? {}
  const fields = { 'metadata.name': node.metadata?.name ?? '' }
  return matchExpressions.every(one => matches(one, labels)) && matchFields.every(one => matches(one, fields))
}

function matches({ key, operator, values = [] }: Expression, labels: Readonly<Record<string, string>>): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'Gt':
      return value !== undefined && Number(value) > Number(values[0])
    case 'Lt':
      return value !== undefined && Number(value) < Number(values[0])
    default:
      return false
  }
}

function isNodeReady({ status }: V1Node): boolean {
  return status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true
}

/** The node's taints with those that Kubernetes' node controller would put there for its condition. */
function taintsOf(node: V1Node): readonly Taint[] {
  const { taints = [], unschedulable } = node.spec ?? {}
  return [
    ...taints,
    ...(unschedulable === true ? [{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }] : []),
    ...(isNodeReady(node) ? [] : [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }])
  ]
}

function isTolerated({ spec }: V1Pod, taint: Taint): boolean {
  return (spec?.tolerations ?? []).some(({ key, operator = 'Equal', value, effect }) => {
    if (effect !== undefined && effect !== '' && effect !== taint.effect) return false
    if (key === undefined || key === '') return operator === 'Exists'
    return key === taint.key && (operator === 'Exists' || (value ?? '') === (taint.value ?? ''))
  })
}

/** What the pods of a DaemonSet put up with, as Kubernetes' DaemonSet controller gives it to them. */
export const daemonTolerations: NonNullable<NonNullable<V1Pod['spec']>['tolerations']> = [
  { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/network-unavailable', operator: 'Exists', effect: 'NoSchedule' }
]
