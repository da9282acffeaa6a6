import {
  AppsV1Api,
  AuthenticationV1Api,
  CoreV1Api,
  KubeConfig,
  PatchStrategy,
  setHeaderOptions,
  type V1ConfigMap,
  Watch
} from '@kubernetes/client-node'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ApiServer, startApiServer } from './index.ts'

let server: ApiServer
let config: KubeConfig
let core: CoreV1Api

beforeAll(async () => {
  server = await startApiServer({ listen: [{ host: '127.0.0.1', port: 0 }] })
  config = new KubeConfig()
  config.loadFromString(server.adminKubeconfig())
  core = config.makeApiClient(CoreV1Api)
})

afterAll(() => server.close())

const namespace = 'default'

it('creates, reads, lists, replaces and deletes', async () => {
  const created = await core.createNamespacedConfigMap({
    namespace,
    body: { metadata: { name: 'one' }, data: { a: '1' } }
  })
  expect(created.metadata).toMatchObject({ name: 'one', namespace })
  expect(created.metadata?.uid).toMatch(/^[0-9a-f-]{36}$/)
  expect((await core.listNamespacedConfigMap({ namespace })).items.map(one => one.metadata?.name)).toContain('one')
  const replaced = await core.replaceNamespacedConfigMap({
    name: 'one',
    namespace,
    body: { ...created, data: { a: '2' } }
  })
  expect(Number(replaced.metadata?.resourceVersion)).toBeGreaterThan(Number(created.metadata?.resourceVersion))
  await expect(core.replaceNamespacedConfigMap({ name: 'one', namespace, body: created })).rejects.toMatchObject({
    code: 409
  })
  await core.deleteNamespacedConfigMap({ name: 'one', namespace })
  await expect(core.readNamespacedConfigMap({ name: 'one', namespace })).rejects.toMatchObject({ code: 404 })
})

it('patches in the four ways of patching', async () => {
  const name = 'patched'
  await core.createNamespacedConfigMap({ namespace, body: { metadata: { name }, data: { a: '1', b: '2' } } })
  const patch = (body: unknown, strategy: Parameters<typeof setHeaderOptions>[1]) =>
    core.patchNamespacedConfigMap({ name, namespace, body }, setHeaderOptions('Content-Type', strategy))
  expect((await patch({ data: { a: null } }, PatchStrategy.MergePatch)).data).toEqual({ b: '2' })
  expect((await patch([{ op: 'add', path: '/data/c', value: '3' }], PatchStrategy.JsonPatch)).data).toEqual({
    b: '2',
    c: '3'
  })
  expect((await patch({ data: { $patch: 'replace', d: '4' } }, PatchStrategy.StrategicMergePatch)).data).toEqual({
    d: '4'
  })
})

it('watches from a resourceVersion', async () => {
  const { metadata } = await core.listNamespacedConfigMap({ namespace })
  const events: string[] = []
  const watch = new Watch(config)
  const seen = new Promise<void>(resolve => {
    void watch
      .watch(
        `/api/v1/namespaces/${namespace}/configmaps`,
        { resourceVersion: metadata?.resourceVersion },
        (type, object: V1ConfigMap) => {
          events.push(`${type} ${object.metadata?.name}`)
          if (type === 'DELETED') resolve()
        },
        () => {}
      )
      .then(async abort => {
        await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'seen' } } })
        await core.deleteNamespacedConfigMap({ name: 'seen', namespace })
        await seen
        abort.abort()
      })
  })
  await seen
  expect(events).toEqual(['ADDED seen', 'DELETED seen'])
})

it('refuses the anonymous', async () => {
  const anonymous = new KubeConfig()
  anonymous.loadFromClusterAndUser(config.getCurrentCluster()!, { name: 'nobody' })
  await expect(anonymous.makeApiClient(AppsV1Api).listDeploymentForAllNamespaces()).rejects.toMatchObject({ code: 401 })
})

it('reviews the tokens it gives', async () => {
  await core.createNamespacedServiceAccount({ namespace, body: { metadata: { name: 'cart' } } })
  const { status } = await core.createNamespacedServiceAccountToken({
    name: 'cart',
    namespace,
    body: { spec: { audiences: ['istio-ca'], expirationSeconds: 600 } }
  })
  const review = (audiences: string[]) =>
    config
      .makeApiClient(AuthenticationV1Api)
      .createTokenReview({ body: { spec: { token: status?.token ?? '', audiences } } })
  expect((await review(['istio-ca'])).status).toMatchObject({
    authenticated: true,
    audiences: ['istio-ca'],
    user: { username: 'system:serviceaccount:default:cart' }
  })
  expect((await review(['other'])).status?.authenticated).toBeUndefined()
})
