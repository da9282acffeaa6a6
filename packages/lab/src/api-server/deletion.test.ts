import type { V1Pod } from '@kubernetes/client-node'
import { describe, expect, it } from 'vitest'
import { eventually } from '../controllers/testing/test-cluster.ts'
import { containers, namespace, pod, refused, useTestServer } from './testing/test-server.ts'

const t = useTestServer()

describe('deletion', () => {
  it('gives a running pod its grace period and lets the kubelet end it', async () => {
    await t.core.createNamespacedPod({ namespace, body: pod('one', { spec: { containers, nodeName: 'n' } }) })
    const going = await t.core.deleteNamespacedPod({ name: 'one', namespace })
    expect((going as V1Pod).metadata).toMatchObject({ deletionGracePeriodSeconds: 30 })
    const before = Date.parse(String((going as V1Pod).metadata?.deletionTimestamp))
    await t.core.deleteNamespacedPod({ name: 'one', namespace, gracePeriodSeconds: 5 })
    const sooner = await t.core.readNamespacedPod({ name: 'one', namespace })
    expect(sooner.metadata?.deletionGracePeriodSeconds).toBe(5)
    expect(sooner.metadata?.deletionTimestamp?.getTime()).toBeLessThan(before)
    await t.core.deleteNamespacedPod({ name: 'one', namespace, gracePeriodSeconds: 0 })
    expect(await refused(t.core.readNamespacedPod({ name: 'one', namespace }))).toMatchObject({
      code: 404,
      message: 'pods "one" not found'
    })
  })

  it('removes a pod without a node at once', async () => {
    await t.core.createNamespacedPod({ namespace, body: pod('one') })
    await t.core.deleteNamespacedPod({ name: 'one', namespace })
    expect((await t.core.listNamespacedPod({ namespace })).items).toEqual([])
  })

  it('waits for finalizers', async () => {
    const body = { metadata: { name: 'held', finalizers: ['example.com/hold'] } }
    await t.core.createNamespacedConfigMap({ namespace, body })
    await t.core.deleteNamespacedConfigMap({ name: 'held', namespace })
    const held = await t.core.readNamespacedConfigMap({ name: 'held', namespace })
    expect(held.metadata?.deletionTimestamp).toBeDefined()
    const more = { ...held, metadata: { ...held.metadata, finalizers: ['example.com/hold', 'example.com/more'] } }
    expect(await refused(t.core.replaceNamespacedConfigMap({ name: 'held', namespace, body: more }))).toMatchObject({
      code: 422
    })
    await t.core.replaceNamespacedConfigMap({
      name: 'held',
      namespace,
      body: { ...held, metadata: { ...held.metadata, finalizers: [] } }
    })
    expect(await refused(t.core.readNamespacedConfigMap({ name: 'held', namespace }))).toMatchObject({ code: 404 })
  })

  it('spares an object with another uid', async () => {
    await t.core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'a' } } })
    const body = { preconditions: { uid: 'other' } }
    expect(await refused(t.core.deleteNamespacedConfigMap({ name: 'a', namespace, body }))).toMatchObject({
      code: 409,
      reason: 'Conflict'
    })
  })

  it.each([
    { policy: 'Background', left: [] },
    { policy: 'Foreground', left: [] },
    { policy: 'Orphan', left: ['child'] }
  ])('treats what a deleted owner leaves behind: $policy', async ({ policy, left }) => {
    const { metadata } = await t.core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'owner' } } })
    const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: metadata!.uid!, blockOwnerDeletion: true }
    await t.core.createNamespacedConfigMap({
      namespace,
      body: { metadata: { name: 'child', ownerReferences: [owner] } }
    })
    await t.core.deleteNamespacedConfigMap({ name: 'owner', namespace, propagationPolicy: policy })
    const names = async () => (await t.core.listNamespacedConfigMap({ namespace })).items.map(one => one.metadata?.name)
    await eventually(names, now => JSON.stringify(now) === JSON.stringify(left))
  })

  it('collects an object whose owner never was', async () => {
    const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'nobody', uid: 'gone' }
    await t.core.createNamespacedConfigMap({
      namespace,
      body: { metadata: { name: 'child', ownerReferences: [owner] } }
    })
    await eventually(
      () => t.core.listNamespacedConfigMap({ namespace }),
      ({ items }) => items.length === 0
    )
  })

  it('empties a namespace and refuses new content meanwhile', async () => {
    await t.core.createNamespace({ body: { metadata: { name: 'shop' } } })
    const body = { metadata: { name: 'held', finalizers: ['example.com/hold'] } }
    await t.core.createNamespacedConfigMap({ namespace: 'shop', body })
    await t.core.createNamespacedSecret({ namespace: 'shop', body: { metadata: { name: 'a' } } })
    await t.core.deleteNamespace({ name: 'shop' })
    await eventually(
      () => t.core.listNamespacedSecret({ namespace: 'shop' }),
      ({ items }) => items.length === 0
    )
    expect((await t.core.readNamespace({ name: 'shop' })).status?.phase).toBe('Terminating')
    expect(
      await refused(t.core.createNamespacedSecret({ namespace: 'shop', body: { metadata: { name: 'b' } } }))
    ).toMatchObject({
      code: 403,
      reason: 'Forbidden',
      details: { causes: [{ reason: 'NamespaceTerminating' }] }
    })
    const patch = [{ op: 'remove', path: '/metadata/finalizers' }]
    await t.request('PATCH', '/api/v1/namespaces/shop/configmaps/held', patch, {
      'content-type': 'application/json-patch+json'
    })
    await eventually(
      () => refused(t.core.readNamespace({ name: 'shop' })),
      status => status?.code === 404
    )
  })
})
