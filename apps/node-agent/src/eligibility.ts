import { type Labels, type LabelSelector, matchesLabelSelector, type V1Pod } from '@culvert/kubernetes'
import { parse } from 'yaml'

/** One of the selectors that say which pods join the mesh (docs/spec/cni.md 4.3). */
export interface EnablementSelector {
  readonly podSelector?: LabelSelector | null
  readonly namespaceSelector?: LabelSelector | null
}

/**
 * Reads AMBIENT_ENABLEMENT_SELECTOR, YAML or JSON.
 * @throws Error naming what is wrong with it.
 */
export function parseEnablementSelectors(text: string): EnablementSelector[] {
  const selectors: unknown = text.trim() === '' ? [] : parse(text)
  if (!Array.isArray(selectors)) throw new Error('expected a list of {podSelector, namespaceSelector}')
  for (const [index, selector] of (selectors as unknown[]).entries()) {
    if (!isObject(selector)) throw new Error(`selector ${index + 1} is no {podSelector, namespaceSelector}`)
    for (const part of ['podSelector', 'namespaceSelector']) {
      const problem = selectorProblem(selector[part])
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
      matchesLabelSelector(podSelector, podLabels) && matchesLabelSelector(namespaceSelector, namespaceLabels)
  )
}

/** Decides whether a namespace's change concerns its pods: only selectors with a namespace part count. */
export function namespaceMatches(labels: Labels, selectors: readonly EnablementSelector[]): boolean {
  return selectors.some(
    ({ namespaceSelector }) => !isEmpty(namespaceSelector) && matchesLabelSelector(namespaceSelector, labels)
  )
}

const isEmpty = (selector: LabelSelector | null | undefined): boolean =>
  Object.keys(selector?.matchLabels ?? {}).length === 0 && (selector?.matchExpressions ?? []).length === 0

const operators = ['In', 'NotIn', 'Exists', 'DoesNotExist']

function selectorProblem(selector: unknown): string | undefined {
  if (selector === undefined || selector === null) return undefined
  if (!isObject(selector)) return 'it is no label selector'
  const { matchLabels, matchExpressions } = selector
  if (matchLabels != null && !(isObject(matchLabels) && Object.values(matchLabels).every(isText))) {
    return 'the values of matchLabels are not all texts'
  }
  if (matchExpressions != null && !Array.isArray(matchExpressions)) return 'matchExpressions is no list'
  return (matchExpressions ?? []).map(expressionProblem).find(problem => problem !== undefined)
}

function expressionProblem(expression: unknown): string | undefined {
  if (!isObject(expression) || !isText(expression.key)) return 'an expression has no key'
  const { key, operator } = expression
  const values = expression.values ?? []
  if (!isText(operator) || !operators.includes(operator)) {
    return `operator '${operator}' of '${key}' is none of ${operators.join(', ')}`
  }
  if (!Array.isArray(values) || !values.every(isText)) return `the values of '${key}' are not all texts`
  const wantsValues = operator === 'In' || operator === 'NotIn'
  if (wantsValues && values.length === 0) return `operator ${operator} of '${key}' needs values`
  return !wantsValues && values.length > 0 ? `operator ${operator} of '${key}' takes no values` : undefined
}

const isText = (value: unknown): value is string => typeof value === 'string'

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
