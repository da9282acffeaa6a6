import { describe, expect, it } from 'vitest'
import { builtInDefinitions, schemaName } from '../schema/built-in-schemas.ts'
import { StatusError } from '../status.ts'
import { applyJsonPatch } from './json-patch.ts'
import { applyMergePatch } from './merge-patch.ts'
import { applyStrategicMerge } from './strategic-merge.ts'

const definitions = builtInDefinitions
const pod = definitions[schemaName('V1Pod')]

describe('merge patch', () => {
  it.each([
    { name: 'sets and keeps', target: { a: 1, b: 2 }, patch: { a: 3 }, result: { a: 3, b: 2 } },
    { name: 'removes by null', target: { a: 1, b: 2 }, patch: { a: null }, result: { b: 2 } },
    { name: 'goes into objects', target: { a: { b: 1, c: 2 } }, patch: { a: { b: null } }, result: { a: { c: 2 } } },
    { name: 'replaces lists', target: { a: [1, 2] }, patch: { a: [3] }, result: { a: [3] } },
    {
      name: 'replaces a scalar by an object without its nulls',
      target: { a: 1 },
      patch: { a: { b: 1, c: null } },
      result: { a: { b: 1 } }
    }
  ])('$name', ({ target, patch, result }) => {
    expect(applyMergePatch(target, patch)).toEqual(result)
  })
})

describe('JSON patch', () => {
  it.each([
    { name: 'adds', target: { a: [1] }, patch: [{ op: 'add', path: '/a/-', value: 2 }], result: { a: [1, 2] } },
    { name: 'removes', target: { a: 1, b: 2 }, patch: [{ op: 'remove', path: '/a' }], result: { b: 2 } },
    {
      name: 'tests and moves',
      target: { a: 1 },
      patch: [
        { op: 'test', path: '/a', value: 1 },
        { op: 'move', from: '/a', path: '/b' }
      ],
      result: { b: 1 }
    },
    {
      name: 'reads escaped keys',
      target: { 'a/b~c': 1 },
      patch: [{ op: 'replace', path: '/a~1b~0c', value: 2 }],
      result: { 'a/b~c': 2 }
    },
    {
      name: 'replaces everything',
      target: { a: 1 },
      patch: [{ op: 'replace', path: '', value: { b: 1 } }],
      result: { b: 1 }
    }
  ])('$name', ({ target, patch, result }) => {
    expect(applyJsonPatch(target, patch)).toEqual(result)
  })

  it.each([
    { name: 'a test that fails', patch: [{ op: 'test', path: '/a', value: 2 }], code: 422 },
    { name: 'a path that is not there', patch: [{ op: 'remove', path: '/b/c' }], code: 422 },
    {
      name: 'a half that succeeds',
      patch: [
        { op: 'add', path: '/b', value: 1 },
        { op: 'remove', path: '/c' }
      ],
      code: 422
    },
    { name: 'no list', patch: { op: 'remove' }, code: 400 },
    { name: 'an unknown operation', patch: [{ op: 'delete', path: '/a' }], code: 400 },
    { name: 'a path without a slash', patch: [{ op: 'remove', path: 'a' }], code: 400 },
    {
      name: 'too many operations',
      patch: Array.from({ length: 10_001 }, () => ({ op: 'test', path: '/a', value: 1 })),
      code: 400
    }
  ])('refuses $name', ({ patch, code }) => {
    const target = { a: 1 }
    expect(() => applyJsonPatch(target, patch)).toThrow(
      expect.objectContaining({ status: expect.objectContaining({ code }) })
    )
    expect(target).toEqual({ a: 1 })
  })

  it.each(['/__proto__/polluted', '/constructor/prototype/polluted'])('does not reach %s', path => {
    const patch = [{ op: 'add', path, value: true }]
    expect(() => applyJsonPatch({}, patch)).toThrow(StatusError)
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })
})

describe('strategic merge patch', () => {
  const target = {
    metadata: { finalizers: ['a'], labels: { x: '1' } },
    spec: {
      containers: [
        { name: 'one', image: 'a', env: [{ name: 'A', value: '1' }] },
        { name: 'two', image: 'b' }
      ],
      tolerations: [{ key: 'a' }]
    }
  }
  const containers = (list: unknown[]) => ({ ...target, spec: { ...target.spec, containers: list } })
  const [one, two] = target.spec.containers

  it.each([
    {
      name: 'merges items by their key',
      patch: { spec: { containers: [{ name: 'one', image: 'c' }] } },
      result: containers([{ ...one, image: 'c' }, two])
    },
    {
      name: 'adds items that are not there',
      patch: { spec: { containers: [{ name: 'three', image: 'c' }] } },
      result: containers([one, two, { name: 'three', image: 'c' }])
    },
    {
      name: 'merges lists inside items',
      patch: { spec: { containers: [{ name: 'one', env: [{ name: 'B', value: '2' }] }] } },
      result: containers([
        {
          ...one,
          env: [
            { name: 'A', value: '1' },
            { name: 'B', value: '2' }
          ]
        },
        two
      ])
    },
    {
      name: 'deletes an item by a directive',
      patch: { spec: { containers: [{ name: 'one', $patch: 'delete' }] } },
      result: containers([two])
    },
    {
      name: 'replaces a list by a directive',
      patch: { spec: { containers: [{ $patch: 'replace' }, { name: 'three', image: 'c' }] } },
      result: containers([{ name: 'three', image: 'c' }])
    },
    {
      name: 'replaces an object by a directive',
      patch: { metadata: { $patch: 'replace', labels: { y: '2' } } },
      result: { ...target, metadata: { labels: { y: '2' } } }
    },
    {
      name: 'keeps only the keys it is told to',
      patch: { metadata: { $retainKeys: ['labels'], labels: { x: '2' } } },
      result: { ...target, metadata: { labels: { x: '2' } } }
    },
    {
      name: 'orders items',
      patch: { spec: { '$setElementOrder/containers': [{ name: 'two' }, { name: 'one' }] } },
      result: containers([two, one])
    },
    {
      name: 'joins sets',
      patch: { metadata: { finalizers: ['a', 'b'] } },
      result: { ...target, metadata: { ...target.metadata, finalizers: ['a', 'b'] } }
    },
    {
      name: 'deletes from sets',
      patch: { metadata: { '$deleteFromPrimitiveList/finalizers': ['a'] } },
      result: { ...target, metadata: { ...target.metadata, finalizers: [] } }
    },
    {
      name: 'replaces lists without a key',
      patch: { spec: { tolerations: [{ key: 'b' }] } },
      result: { ...target, spec: { ...target.spec, tolerations: [{ key: 'b' }] } }
    },
    {
      name: 'removes by null',
      patch: { spec: { tolerations: null }, metadata: { labels: { x: null } } },
      result: { metadata: { finalizers: ['a'], labels: {} }, spec: { containers: [one, two] } }
    }
  ])('$name', ({ patch, result }) => {
    const before = structuredClone(target)
    expect(applyStrategicMerge(target, patch, pod, definitions)).toEqual(result)
    expect(target).toEqual(before)
  })

  it.each([
    { name: 'an item without its key', patch: { spec: { containers: [{ image: 'x' }] } } },
    { name: 'an unknown directive', patch: { spec: { $patch: 'explode' } } },
    { name: 'a patch that is a list', patch: [] }
  ])('refuses $name', ({ patch }) => {
    expect(() => applyStrategicMerge(target, patch, pod, definitions)).toThrow(StatusError)
  })
})
