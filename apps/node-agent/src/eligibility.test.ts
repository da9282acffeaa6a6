import type { V1Pod } from '@culvert/kubernetes'
import { describe, expect, it } from 'vitest'
import { isEligible, namespaceMatches, parseEnablementSelectors } from './eligibility.ts'

/** The chart's default. */
const selectors = parseEnablementSelectors(`
- podSelector: { matchLabels: { istio.io/dataplane-mode: ambient } }
- podSelector: { matchExpressions: [{ key: istio.io/dataplane-mode, operator: NotIn, values: [none] }] }
  namespaceSelector: { matchLabels: { istio.io/dataplane-mode: ambient } }
`)
const mode = (value: string): Record<string, string> => ({ 'istio.io/dataplane-mode': value })

describe('[cni-12] eligibility', () => {
  it.each<[string, V1Pod, Record<string, string>, boolean]>([
    ['a pod of a labelled namespace', {}, mode('ambient'), true],
    ['a pod on the host network', { spec: { hostNetwork: true, containers: [] } }, mode('ambient'), false],
    ['a pod with a sidecar', { metadata: { annotations: { 'sidecar.istio.io/status': '' } } }, mode('ambient'), false],
    ['a pod that opts out', { metadata: { labels: mode('none') } }, mode('ambient'), false],
    ['a labelled pod in an unlabelled namespace', { metadata: { labels: mode('ambient') } }, {}, true],
    ['a plain pod', {}, {}, false]
  ])('%s', (_, pod, namespaceLabels, expected) => {
    expect(isEligible(pod, namespaceLabels, selectors)).toBe(expected)
  })

  it('takes parts that are there without content for empty ones', () => {
    const open = parseEnablementSelectors(
      '[{ podSelector: { matchLabels: null, matchExpressions: }, namespaceSelector: }]'
    )
    expect(isEligible({}, {}, open)).toBe(true)
    expect(namespaceMatches({}, open)).toBe(false)
  })

  it('is nobody’s without selectors', () => {
    expect(isEligible({ metadata: { labels: mode('ambient') } }, mode('ambient'), parseEnablementSelectors(''))).toBe(
      false
    )
  })

  it('sees a namespace change only through selectors with a namespace part', () => {
    expect(namespaceMatches(mode('ambient'), selectors)).toBe(true)
    expect(namespaceMatches({}, selectors)).toBe(false)
    expect(namespaceMatches({}, parseEnablementSelectors('[{ podSelector: {} }]'))).toBe(false)
  })
})

describe('a malformed AMBIENT_ENABLEMENT_SELECTOR', () => {
  it.each([
    ['podSelector: {}', 'expected a list'],
    [
      '[{ podSelector: { matchExpressions: [{ key: a, operator: Near }] } }]',
      "selector 1, podSelector: operator 'Near' of 'a'"
    ],
    ['[{ namespaceSelector: { matchExpressions: [{ key: a, operator: In }] } }]', 'needs values'],
    [
      '[{ podSelector: { matchExpressions: [{ key: a, operator: In, values: [1] }] } }]',
      "values of 'a' are not all texts"
    ],
    ['[{ podSelector: { matchLabels: { a: true } } }]', 'matchLabels are not all texts'],
    ['[{ podSelector: ambient }]', 'selector 1, podSelector: it is no label selector'],
    ['[null]', 'selector 1 is no {podSelector, namespaceSelector}']
  ])('%s is named', (text, message) => {
    expect(() => parseEnablementSelectors(text)).toThrow(message)
  })
})
