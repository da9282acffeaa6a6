import { beforeEach, describe, expect, it } from 'vitest'
import { namespace, refused, useTestServer } from './testing/test-server.ts'

const t = useTestServer()

describe('lists and watches', () => {
  beforeEach(async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) {
      const labels = { half: name < 'c' ? 'first' : 'second' }
      await t.core.createNamespacedConfigMap({ namespace, body: { metadata: { name, labels } } })
    }
  })

  it('pages through the state of the first page', async () => {
    const first = await t.core.listNamespacedConfigMap({ namespace, limit: 2 })
    expect(first.metadata?.remainingItemCount).toBe(3)
    await t.core.deleteNamespacedConfigMap({ name: 'd', namespace })
    const second = await t.core.listNamespacedConfigMap({ namespace, limit: 10, _continue: first.metadata!._continue! })
    expect([...first.items, ...second.items].map(one => one.metadata?.name)).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(second.metadata?.resourceVersion).toBe(first.metadata?.resourceVersion)
    expect(await refused(t.core.listNamespacedConfigMap({ namespace, _continue: 'x' }))).toMatchObject({ code: 400 })
  })

  it('answers 410 to what is older than the history', async () => {
    const { metadata } = await t.core.listNamespacedConfigMap({ namespace, limit: 1 })
    for (let count = 0; count < 80; count += 1) {
      const body = [{ op: 'add', path: '/data', value: { count: String(count) } }]
      await t.request('PATCH', '/api/v1/namespaces/default/configmaps/a', body, {
        'content-type': 'application/json-patch+json'
      })
    }
    const list = await refused(t.core.listNamespacedConfigMap({ namespace, limit: 1, _continue: metadata!._continue! }))
    expect(list).toMatchObject({ code: 410, reason: 'Expired' })
    const watch = await t.request('GET', `/api/v1/configmaps?watch=true&resourceVersion=${metadata?.resourceVersion}`)
    expect(watch.body).toMatch(
      /^\{"type":"ERROR","object":\{"kind":"Status".*"too old resource version: .*"code":410\}\}\n$/
    )
  })

  it('ends a watch that goes on from another server', async () => {
    const { body } = await t.request('GET', '/api/v1/configmaps?watch=true&resourceVersion=1000000')
    expect(JSON.parse(body)).toMatchObject({ type: 'ERROR', object: { code: 410, reason: 'Expired' } })
  })

  it('watches through a selector: objects come into view and go out of it', async () => {
    const { metadata } = await t.core.listNamespacedConfigMap({ namespace })
    const label = (value: string) => [{ op: 'replace', path: '/metadata/labels/half', value }]
    const json = { 'content-type': 'application/json-patch+json' }
    await t.request('PATCH', '/api/v1/namespaces/default/configmaps/e', label('first'), json)
    await t.request('PATCH', '/api/v1/namespaces/default/configmaps/a', label('second'), json)
    const path =
      '/api/v1/namespaces/default/configmaps?watch=1&labelSelector=half%3Dfirst&timeoutSeconds=1&allowWatchBookmarks=true'
    const { body } = await t.request('GET', `${path}&resourceVersion=${metadata?.resourceVersion}`)
    const events = body
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(events.map(({ type, object }) => `${type} ${object.metadata.name ?? ''}`)).toEqual([
      'ADDED e',
      'DELETED a',
      'BOOKMARK '
    ])
    expect(Number(events[2].object.metadata.resourceVersion)).toBeGreaterThan(Number(metadata?.resourceVersion))
  })

  it('begins a watch with what is there, and says where that ends', async () => {
    const path =
      '/api/v1/namespaces/default/configmaps?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1'
    const { body } = await t.request('GET', path)
    const events = body
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(events.slice(0, 5).map(({ type }) => type)).toEqual(Array.from({ length: 5 }, () => 'ADDED'))
    expect(events[5].object.metadata.annotations).toEqual({ 'k8s.io/initial-events-end': 'true' })
  })

  it('deletes a selected collection', async () => {
    await t.core.deleteCollectionNamespacedConfigMap({ namespace, labelSelector: 'half=first' })
    expect((await t.core.listNamespacedConfigMap({ namespace })).items.map(one => one.metadata?.name)).toEqual([
      'c',
      'd',
      'e'
    ])
  })

  it('selects by fields', async () => {
    const { items } = await t.core.listConfigMapForAllNamespaces({ fieldSelector: 'metadata.name=c' })
    expect(items.map(one => one.metadata?.name)).toEqual(['c'])
  })
})
