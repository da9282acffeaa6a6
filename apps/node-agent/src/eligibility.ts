import type { V1Pod } from '@culvert/kubernetes'
import { parse } from 'yaml'

/** Which pods join the mesh (docs/spec/cni.md 4.3). */
export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>
  readonly matchExpressions?: readonly {
    readonly key: string
    readonly operator: string
    readonly values?: readonly string[]
  }[]
}

export interface EnablementSelector {
  readonly podSelector?: LabelSelector
  readonly namespaceSelector?: LabelSelector
}

type Labels = Readonly<Record<string, string>>

/**
 * Reads AMBIENT_ENABLEMENT_SELECTOR, YAML or JSON.
 * @throws Error naming what is wrong with it.
 */
export function parseEnablementSelectors(text: string): EnablementSelector[] {
  const selectors: unknown = text.trim() === '' ? [] : parse(text)
  if (!Array.isArray(selectors)) throw new Error('expected a list of {podSelector, namespaceSelector}')
  for (const [index, selector] of (selectors as EnablementSelector[]).entries()) {
    for (const part of ['podSelector', 'namespaceSelector'] as const) {
      const problem = selectorProblem(selector?.[part])
      if (problem !== undefined) throw new Error(`selector ${index + 1}, ${part}: ${problem}`)
    }
  }
  return selectors as EnablementSelector[]
}

export function isEligible(pod: V1Pod, namespaceLabels: Labels, selectors: readonly EnablementSelector[]): boolean {
  if (pod.spec?.hostNetwork === true) return false
  if (pod.metadata?.annotations?.['sidecar.istio.io/status'] !== undefined) return false
  const podLabels = pod.metadata?.labels ?? {}
  return selectors.some(
    ({ podSelector, namespaceSelector }) =>
      matches(podSelector, podLabels) && matches(namespaceSelector, namespaceLabels)
  )
}

/** Decides whether a namespace's change concerns its pods: only selectors with a namespace part count. */
export function namespaceMatches(labels: Labels, selectors: readonly EnablementSelector[]): boolean {
  return selectors.some(({ namespaceSelector }) => !isEmpty(namespaceSelector) && matches(namespaceSelector, labels))
}

/** A selector as Kubernetes reads it: all requirements must hold; NotIn and DoesNotExist also hold for an absent label. */
export function matches(selector: LabelSelector | undefined, labels: Labels): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector ?? {}
  return (
    Object.entries(matchLabels).every(([key, value]) => own(labels, key) === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = own(labels, key)
      if (operator === 'Exists') return value !== undefined
      if (operator === 'DoesNotExist') return value === undefined
      if (operator === 'In') return value !== undefined && values.includes(value)
      return value === undefined || !values.includes(value)
    })
  )
}

const own = (labels: Labels, key: string): string | undefined => (Object.hasOwn(labels, key) ? labels[key] : undefined)

const isEmpty = (selector: LabelSelector | undefined): boolean =>
  Object.keys(selector?.matchLabels ?? {}).length === 0 && (selector?.matchExpressions ?? []).length === 0

const operators = ['In', 'NotIn', 'Exists', 'DoesNotExist']

function selectorProblem(selector: LabelSelector | undefined): string | undefined {
  for (const { key, operator, values = [] } of selector?.matchExpressions ?? []) {
    if (!operators.includes(operator)) return `operator '${operator}' of '${key}' is none of ${operators.join(', ')}`
    const wantsValues = operator === 'In' || operator === 'NotIn'
    if (wantsValues && values.length === 0) return `operator ${operator} of '${key}' needs values`
    if (!wantsValues && values.length > 0) return `operator ${operator} of '${key}' takes no values`
  }
  return undefined
}
