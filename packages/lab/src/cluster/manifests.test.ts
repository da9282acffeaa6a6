import { expect, it } from 'vitest'
import { parseManifests } from './manifests.ts'

it('reads documents and takes lists apart', () => {
  const text = `
apiVersion: v1
kind: Namespace
metadata: { name: a }
---
# nothing
---
apiVersion: v1
kind: List
items:
  - { apiVersion: v1, kind: Secret, metadata: { name: b } }
`
  expect(parseManifests(text).map(({ kind, metadata }) => `${kind} ${metadata?.name}`)).toEqual([
    'Namespace a',
    'Secret b'
  ])
})

it.each([
  ['kind: Pod', 'YAML document 1 is no Kubernetes object: it needs apiVersion and kind'],
  ['apiVersion: v1\nkind: Pod\n---\njust text', 'YAML document 2 is no Kubernetes object'],
  ['apiVersion: v1\nkind: List\nitems: [{}]', 'YAML document 1, item 1 is no Kubernetes object'],
  ['a: [', 'YAML document 1: ']
])('refuses %j', (text, message) => {
  expect(() => parseManifests(text)).toThrow(message)
})
