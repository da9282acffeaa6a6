import {
  type Labels,
  type LabelSelector,
  type LabelSelectorRequirement,
  matchesLabelSelector
} from '@culvert/kubernetes/label-selector'
import { quoted } from './go-json.ts'

/** One of the selectors that say which pods belong to the mesh (docs/spec/cni.md 4.3). */
export interface EnablementSelector {
  readonly podSelector?: LabelSelector | null
  readonly namespaceSelector?: LabelSelector | null
}

/** What the predicate looks at. */
export interface Candidate {
  readonly hostNetwork: boolean
  readonly labels: Labels
  readonly annotations: Labels
  readonly namespaceLabels: Labels
}

/** Whether the pod is to be captured. Throws for a selector that makes no sense, before looking at the pod. */
export function isAmbientPod(selectors: readonly EnablementSelector[], pod: Candidate): boolean {
  for (const { podSelector, namespaceSelector } of selectors) {
    for (const expression of podSelector?.matchExpressions ?? []) check(expression)
    for (const expression of namespaceSelector?.matchExpressions ?? []) check(expression)
  }
  if (pod.hostNetwork) return false
  // A sidecar was injected: whatever the labels say, it does the work.
  if (Object.hasOwn(pod.annotations, 'sidecar.istio.io/status')) return false
  return selectors.some(
    ({ podSelector, namespaceSelector }) =>
      matchesLabelSelector(podSelector, pod.labels) && matchesLabelSelector(namespaceSelector, pod.namespaceLabels)
  )
}

function check({ key, operator, values }: LabelSelectorRequirement): void {
  const count = values?.length ?? 0
  const needValues = operator === 'In' || operator === 'NotIn'
  const forbidValues = operator === 'Exists' || operator === 'DoesNotExist'
  if (!needValues && !forbidValues) throw new Error(`${quoted(operator)} is not a valid label selector operator`)
  if (needValues && count === 0) throw new Error(`label selector ${key} ${operator} needs values`)
  if (forbidValues && count > 0) throw new Error(`label selector ${key} ${operator} takes no values`)
}
