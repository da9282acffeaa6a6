import { quoted } from './go-json.ts'

export interface LabelSelector {
  readonly matchLabels?: Labels | null
  readonly matchExpressions?: readonly LabelExpression[] | null
}

export interface LabelExpression {
  readonly key: string
  readonly operator: string
  readonly values?: readonly string[] | null
}

/** One of the selectors that say which pods belong to the mesh (docs/spec/cni.md 4.3). */
export interface EnablementSelector {
  readonly podSelector?: LabelSelector | null
  readonly namespaceSelector?: LabelSelector | null
}

export type Labels = Readonly<Record<string, string>>

/** What the predicate looks at. */
export interface Candidate {
  readonly hostNetwork: boolean
  readonly labels: Labels
  readonly annotations: Labels
  readonly namespaceLabels: Labels
}

/** Whether the pod is to be captured. Throws for a selector that makes no sense, before looking at the pod. */
export function isAmbientPod(selectors: readonly EnablementSelector[], pod: Candidate): boolean {
  const compiled = selectors.map(selector => ({
    pod: compile(selector.podSelector ?? {}),
    namespace: compile(selector.namespaceSelector ?? {})
  }))
  if (pod.hostNetwork) return false
  // A sidecar was injected: whatever the labels say, it does the work.
  if (Object.hasOwn(pod.annotations, 'sidecar.istio.io/status')) return false
  return compiled.some(selector => selector.pod(pod.labels) && selector.namespace(pod.namespaceLabels))
}

type Matcher = (labels: Labels) => boolean

/** An empty selector matches everything. */
function compile(selector: LabelSelector): Matcher {
  const equal = Object.entries(selector.matchLabels ?? {})
  const expressions = (selector.matchExpressions ?? []).map(compileExpression)
  return labels =>
    equal.every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value) &&
    expressions.every(matches => matches(labels))
}

function compileExpression({ key, operator, values }: LabelExpression): Matcher {
  const list = values ?? []
  const has: Matcher = labels => Object.hasOwn(labels, key)
  const among: Matcher = labels => has(labels) && list.includes(labels[key]!)
  const needValues = operator === 'In' || operator === 'NotIn'
  const forbidValues = operator === 'Exists' || operator === 'DoesNotExist'
  if (!needValues && !forbidValues) throw new Error(`${quoted(operator)} is not a valid label selector operator`)
  if (needValues && list.length === 0) throw new Error(`label selector ${key} ${operator} needs values`)
  if (forbidValues && list.length > 0) throw new Error(`label selector ${key} ${operator} takes no values`)
  switch (operator) {
    case 'In':
      return among
    case 'NotIn':
      return labels => !among(labels)
    case 'Exists':
      return has
    default:
      return labels => !has(labels)
  }
}
