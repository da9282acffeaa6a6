import { describe, expect, it } from 'vitest'
import { containers, namespace, pod, refused, useTestServer } from './testing/test-server.ts'

const t = useTestServer()

describe('writes', () => {
  it('keeps spec and status apart and counts generations', async () => {
    const spec = {
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers } }
    }
    const made = await t.apps.createNamespacedDeployment({
      namespace,
      body: { metadata: { name: 'd' }, spec, status: { replicas: 7 } }
    })
    expect(made.metadata?.generation).toBe(1)
    expect(made.status?.replicas).toBeUndefined()
    expect(made.spec).toMatchObject({
      replicas: 1,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%' } }
    })
    const ref = { name: 'd', namespace }
    const status = await t.apps.replaceNamespacedDeploymentStatus({
      ...ref,
      body: { ...made, status: { replicas: 3 }, spec: { ...made.spec!, replicas: 9 } }
    })
    expect(status.status?.replicas).toBe(3)
    expect([status.spec?.replicas, status.metadata?.generation]).toEqual([1, 1])
    const scaled = await t.apps.patchNamespacedDeploymentScale({
      ...ref,
      body: [{ op: 'replace', path: '/spec/replicas', value: 4 }]
    })
    expect(scaled).toMatchObject({ spec: { replicas: 4 }, status: { replicas: 3, selector: 'a=b' } })
    const now = await t.apps.readNamespacedDeployment(ref)
    expect([now.spec?.replicas, now.metadata?.generation, now.status?.replicas]).toEqual([4, 2, 3])
  })

  it('changes nothing when nothing changes', async () => {
    const made = await t.core.createNamespacedConfigMap({
      namespace,
      body: { metadata: { name: 'same' }, data: { a: '1' } }
    })
    const again = await t.core.replaceNamespacedConfigMap({ name: 'same', namespace, body: made })
    expect(again.metadata?.resourceVersion).toBe(made.metadata?.resourceVersion)
  })

  it('completes names', async () => {
    const { metadata } = await t.core.createNamespacedConfigMap({
      namespace,
      body: { metadata: { generateName: 'some-' } }
    })
    expect(metadata?.name).toMatch(/^some-[bcdfghjklmnpqrstvwxz2456789]{5}$/)
  })

  it('does not store a dry run', async () => {
    await t.core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'dry' } }, dryRun: 'All' })
    expect(await refused(t.core.readNamespacedConfigMap({ name: 'dry', namespace }))).toMatchObject({ code: 404 })
  })

  it('gives services addresses, once', async () => {
    const service = (name: string, spec: object) =>
      t.core.createNamespacedService({ namespace, body: { metadata: { name }, spec } })
    const ports = [{ port: 80 }]
    const made = await service('a', { ports })
    expect(made.spec).toMatchObject({ type: 'ClusterIP', ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }] })
    expect(made.spec?.clusterIP).toMatch(/^10\.96\./)
    expect(made.spec?.clusterIPs).toEqual([made.spec?.clusterIP])
    expect((await service('headless', { clusterIP: 'None', ports })).spec?.clusterIP).toBe('None')
    expect((await service('dns', { clusterIP: '10.96.0.10', ports })).spec?.clusterIP).toBe('10.96.0.10')
    expect(await refused(service('again', { clusterIP: '10.96.0.10', ports }))).toMatchObject({
      code: 422,
      message: expect.stringContaining('provided IP is already allocated')
    })
    expect(await refused(service('outside', { clusterIP: '10.1.0.1', ports }))).toMatchObject({ code: 422 })
    const moved = { ...made, spec: { ...made.spec, clusterIP: '10.96.0.77', clusterIPs: ['10.96.0.77'] } }
    expect(await refused(t.core.replaceNamespacedService({ name: 'a', namespace, body: moved }))).toMatchObject({
      message: expect.stringContaining('may not change once set')
    })
    const { clusterIP: _, clusterIPs: __, ...rest } = made.spec!
    const kept = await t.core.replaceNamespacedService({
      name: 'a',
      namespace,
      body: { ...made, spec: { ...rest, ports: [{ port: 81 }] } }
    })
    expect(kept.spec?.clusterIP).toBe(made.spec?.clusterIP)
  })

  it('gives a pod its account, a token and the usual defaults', async () => {
    const { spec, status } = await t.core.createNamespacedPod({ namespace, body: pod('one') })
    expect(spec).toMatchObject({
      serviceAccountName: 'default',
      restartPolicy: 'Always',
      dnsPolicy: 'ClusterFirst',
      terminationGracePeriodSeconds: 30
    })
    expect(spec?.containers[0]).toMatchObject({
      imagePullPolicy: 'Always',
      volumeMounts: [{ mountPath: '/var/run/secrets/kubernetes.io/serviceaccount', readOnly: true }]
    })
    expect(spec?.volumes?.[0]?.projected?.sources?.[0]).toEqual({
      serviceAccountToken: { expirationSeconds: 3607, path: 'token' }
    })
    expect(status).toMatchObject({ phase: 'Pending', qosClass: 'BestEffort' })
  })

  it('waits for the account of a pod, for a moment', async () => {
    const made = t.core.createNamespacedPod({
      namespace,
      body: pod('one', { spec: { containers, serviceAccountName: 'late' } })
    })
    await t.core.createNamespacedServiceAccount({ namespace, body: { metadata: { name: 'late' } } })
    expect((await made).spec?.serviceAccountName).toBe('late')
  })

  it('binds a pod once', async () => {
    await t.core.createNamespacedPod({ namespace, body: pod('one') })
    const bind = (name: string) =>
      t.request('POST', '/api/v1/namespaces/default/pods/one/binding', { target: { kind: 'Node', name } })
    expect((await bind('n')).code).toBe(201)
    expect((await bind('m')).code).toBe(409)
    expect((await t.core.readNamespacedPod({ name: 'one', namespace })).spec?.nodeName).toBe('n')
  })
})
