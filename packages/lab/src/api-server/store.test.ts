import { expect, it } from 'vitest'
import type { KubeObject } from './objects.ts'
import { createStore } from './store.ts'

const key = '/configmaps'
const object = (name: string, data = ''): KubeObject =>
  ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'shop' }, data }) as unknown as KubeObject

it('counts every change and tells it with what was before', () => {
  const store = createStore()
  const seen: unknown[] = []
  store.subscribe(key, ({ type, revision, object: now, previous }) =>
    seen.push([type, revision, now.data, previous?.data])
  )
  store.put(key, object('a', '1'))
  const second = store.put(key, object('a', '2'))
  store.put('/secrets', object('a'))
  store.remove(key, second)
  expect(seen).toEqual([
    ['ADDED', 2, '1', undefined],
    ['MODIFIED', 3, '2', '1'],
    ['DELETED', 5, '2', '2']
  ])
})

it('tells listeners changes made by listeners in order', () => {
  const store = createStore()
  const seen: string[] = []
  store.subscribe(key, ({ object: { metadata } }) => {
    if (metadata.name === 'a') store.put(key, object('b'))
  })
  store.subscribe(key, ({ object: { metadata } }) => seen.push(metadata.name))
  store.put(key, object('a'))
  expect(seen).toEqual(['a', 'b'])
})

it('goes back to an earlier state as far as the history reaches', () => {
  const store = createStore({ historyLimit: 4 })
  store.put(key, object('a', '1'))
  const { revision } = store
  store.put(key, object('b'))
  store.put(key, object('a', '2'))
  expect(store.listAt(key, revision)?.map(({ data }) => data)).toEqual(['1'])
  for (let count = 0; count < 5; count += 1) store.put(key, object('c', String(count)))
  expect(store.listAt(key, revision)).toBeUndefined()
  expect(store.changesSince(key, revision)).toBeUndefined()
  expect(store.changesSince(key, store.revision - 1)).toHaveLength(1)
  expect(store.changesSince(key, store.oldest)).not.toBeUndefined()
})

it('lets nobody change what it holds', () => {
  const store = createStore()
  const stored = store.put(key, object('a'))
  expect(() => {
    stored.metadata.name = 'b'
  }).toThrow(TypeError)
})
