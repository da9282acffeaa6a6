import { expect, it } from 'vitest'
import { type Candidate, type EnablementSelector, isAmbientPod } from './enablement-selector.ts'

const mode = (value: string): Record<string, string> => ({ 'istio.io/dataplane-mode': value })

/** The chart's. */
const selectors: EnablementSelector[] = [
  { podSelector: { matchLabels: mode('ambient') } },
  {
    namespaceSelector: { matchLabels: mode('ambient') },
    podSelector: { matchExpressions: [{ key: 'istio.io/dataplane-mode', operator: 'NotIn', values: ['none'] }] }
  }
]
const plain: Candidate = { hostNetwork: false, labels: {}, annotations: {}, namespaceLabels: {} }
const inMesh: Candidate = { ...plain, namespaceLabels: mode('ambient') }

it.each([
  { what: 'labelled namespace', pod: inMesh, expected: true },
  { what: 'unlabelled namespace', pod: plain, expected: false },
  { what: 'labelled namespace, host network', pod: { ...inMesh, hostNetwork: true }, expected: false },
  {
    what: 'labelled namespace, sidecar status present but empty',
    pod: { ...inMesh, annotations: { 'sidecar.istio.io/status': '' } },
    expected: false
  },
  { what: 'labelled namespace, pod label none', pod: { ...inMesh, labels: mode('none') }, expected: false },
  { what: 'unlabelled namespace, pod label ambient', pod: { ...plain, labels: mode('ambient') }, expected: true },
  { what: 'labelled namespace, other pod label', pod: { ...inMesh, labels: mode('else') }, expected: true }
])('[cni-12] $what: $expected', ({ pod, expected }) => {
  expect(isAmbientPod(selectors, pod)).toBe(expected)
})

it('no selectors, no match; an empty one matches everything', () => {
  expect(isAmbientPod([], inMesh)).toBe(false)
  expect(isAmbientPod([{ podSelector: null }], plain)).toBe(true)
})

it.each([
  { operator: 'In', values: ['a', 'b'], labels: { k: 'b' }, expected: true },
  { operator: 'In', values: ['a'], labels: {}, expected: false },
  { operator: 'NotIn', values: ['a'], labels: {}, expected: true },
  { operator: 'Exists', values: null, labels: { k: '' }, expected: true },
  { operator: 'Exists', values: [], labels: {}, expected: false },
  { operator: 'DoesNotExist', values: [], labels: {}, expected: true },
  { operator: 'DoesNotExist', values: [], labels: { k: '' }, expected: false }
])('k $operator $values for $labels: $expected', ({ operator, values, labels, expected }) => {
  const selector = { podSelector: { matchExpressions: [{ key: 'k', operator, values }] } }
  expect(isAmbientPod([selector], { ...plain, labels: labels as Record<string, string> })).toBe(expected)
})

it.each([
  { operator: 'in', values: ['a'] },
  { operator: 'In', values: [] },
  { operator: 'Exists', values: ['a'] }
])('refuses $operator $values, whatever the pod', ({ operator, values }) => {
  const selector = { podSelector: { matchExpressions: [{ key: 'k', operator, values }] } }
  expect(() => isAmbientPod([selector], { ...plain, hostNetwork: true })).toThrow()
})
