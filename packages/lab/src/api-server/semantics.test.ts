import {
  AppsV1Api,
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  type KubernetesObject,
  KubernetesObjectApi,
  PortForward,
  type V1Pod
} from '@kubernetes/client-node'
import { connect, createServer } from 'node:net'
import { PassThrough } from 'node:stream'
import { listenTcp } from '@culvert/netns'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventually } from '../controllers/test-cluster.ts'
import { type ApiServer, startApiServer } from './index.ts'
import { rawRequest } from './test-request.ts'

let server: ApiServer
let config: KubeConfig
let core: CoreV1Api
let apps: AppsV1Api
const errors: unknown[] = []

beforeEach(async () => {
  errors.length = 0
  server = await startApiServer({
    listen: [{ host: '127.0.0.1', port: 0 }],
    historyLimit: 50,
    onError: error => errors.push(error)
  })
  config = new KubeConfig()
  config.loadFromString(server.adminKubeconfig())
  core = config.makeApiClient(CoreV1Api)
  apps = config.makeApiClient(AppsV1Api)
  await core.createNamespacedServiceAccount({ namespace, body: { metadata: { name: 'default' } } })
})

afterEach(async () => {
  await server.close()
  expect(errors).toEqual([])
})

const namespace = 'default'
const containers = [{ name: 'main', image: 'one' }]
const pod = (name: string, more: Partial<V1Pod> = {}): V1Pod => ({ metadata: { name }, spec: { containers }, ...more })
const request = (method: string, path: string, body?: string | object, headers: Record<string, string> = {}) =>
  rawRequest(server, {
    method,
    path,
    headers,
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) })
  })

/** The Status object an error of the client carries. */
const refused = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: { body: string }) =>
      JSON.parse(error.body) as { code: number; reason: string; message: string; details?: unknown }
  )

describe('deletion', () => {
  it('gives a running pod its grace period and lets the kubelet end it', async () => {
    await core.createNamespacedPod({ namespace, body: pod('one', { spec: { containers, nodeName: 'n' } }) })
    const going = await core.deleteNamespacedPod({ name: 'one', namespace })
    expect((going as V1Pod).metadata).toMatchObject({ deletionGracePeriodSeconds: 30 })
    const before = Date.parse(String((going as V1Pod).metadata?.deletionTimestamp))
    await core.deleteNamespacedPod({ name: 'one', namespace, gracePeriodSeconds: 5 })
    const sooner = await core.readNamespacedPod({ name: 'one', namespace })
    expect(sooner.metadata?.deletionGracePeriodSeconds).toBe(5)
    expect(sooner.metadata?.deletionTimestamp?.getTime()).toBeLessThan(before)
    await core.deleteNamespacedPod({ name: 'one', namespace, gracePeriodSeconds: 0 })
    expect(await refused(core.readNamespacedPod({ name: 'one', namespace }))).toMatchObject({
      code: 404,
      message: 'pods "one" not found'
    })
  })

  it('removes a pod without a node at once', async () => {
    await core.createNamespacedPod({ namespace, body: pod('one') })
    await core.deleteNamespacedPod({ name: 'one', namespace })
    expect((await core.listNamespacedPod({ namespace })).items).toEqual([])
  })

  it('waits for finalizers', async () => {
    const body = { metadata: { name: 'held', finalizers: ['example.com/hold'] } }
    await core.createNamespacedConfigMap({ namespace, body })
    await core.deleteNamespacedConfigMap({ name: 'held', namespace })
    const held = await core.readNamespacedConfigMap({ name: 'held', namespace })
    expect(held.metadata?.deletionTimestamp).toBeDefined()
    const more = { ...held, metadata: { ...held.metadata, finalizers: ['example.com/hold', 'example.com/more'] } }
    expect(await refused(core.replaceNamespacedConfigMap({ name: 'held', namespace, body: more }))).toMatchObject({
      code: 422
    })
    await core.replaceNamespacedConfigMap({
      name: 'held',
      namespace,
      body: { ...held, metadata: { ...held.metadata, finalizers: [] } }
    })
    expect(await refused(core.readNamespacedConfigMap({ name: 'held', namespace }))).toMatchObject({ code: 404 })
  })

  it('spares an object with another uid', async () => {
    await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'a' } } })
    const body = { preconditions: { uid: 'other' } }
    expect(await refused(core.deleteNamespacedConfigMap({ name: 'a', namespace, body }))).toMatchObject({
      code: 409,
      reason: 'Conflict'
    })
  })

  it.each([
    { policy: 'Background', left: [] },
    { policy: 'Foreground', left: [] },
    { policy: 'Orphan', left: ['child'] }
  ])('treats what a deleted owner leaves behind: $policy', async ({ policy, left }) => {
    const { metadata } = await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'owner' } } })
    const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: metadata!.uid!, blockOwnerDeletion: true }
    await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'child', ownerReferences: [owner] } } })
    await core.deleteNamespacedConfigMap({ name: 'owner', namespace, propagationPolicy: policy })
    const names = async () => (await core.listNamespacedConfigMap({ namespace })).items.map(one => one.metadata?.name)
    await eventually(names, now => JSON.stringify(now) === JSON.stringify(left))
  })

  it('collects an object whose owner never was', async () => {
    const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'nobody', uid: 'gone' }
    await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'child', ownerReferences: [owner] } } })
    await eventually(
      () => core.listNamespacedConfigMap({ namespace }),
      ({ items }) => items.length === 0
    )
  })

  it('empties a namespace and refuses new content meanwhile', async () => {
    await core.createNamespace({ body: { metadata: { name: 'shop' } } })
    const body = { metadata: { name: 'held', finalizers: ['example.com/hold'] } }
    await core.createNamespacedConfigMap({ namespace: 'shop', body })
    await core.createNamespacedSecret({ namespace: 'shop', body: { metadata: { name: 'a' } } })
    await core.deleteNamespace({ name: 'shop' })
    await eventually(
      () => core.listNamespacedSecret({ namespace: 'shop' }),
      ({ items }) => items.length === 0
    )
    expect((await core.readNamespace({ name: 'shop' })).status?.phase).toBe('Terminating')
    expect(
      await refused(core.createNamespacedSecret({ namespace: 'shop', body: { metadata: { name: 'b' } } }))
    ).toMatchObject({
      code: 403,
      reason: 'Forbidden',
      details: { causes: [{ reason: 'NamespaceTerminating' }] }
    })
    const patch = [{ op: 'remove', path: '/metadata/finalizers' }]
    await request('PATCH', '/api/v1/namespaces/shop/configmaps/held', patch, {
      'content-type': 'application/json-patch+json'
    })
    await eventually(
      () => refused(core.readNamespace({ name: 'shop' })),
      status => status?.code === 404
    )
  })
})

describe('lists and watches', () => {
  beforeEach(async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) {
      const labels = { half: name < 'c' ? 'first' : 'second' }
      await core.createNamespacedConfigMap({ namespace, body: { metadata: { name, labels } } })
    }
  })

  it('pages through the state of the first page', async () => {
    const first = await core.listNamespacedConfigMap({ namespace, limit: 2 })
    expect(first.metadata?.remainingItemCount).toBe(3)
    await core.deleteNamespacedConfigMap({ name: 'd', namespace })
    const second = await core.listNamespacedConfigMap({ namespace, limit: 10, _continue: first.metadata!._continue! })
    expect([...first.items, ...second.items].map(one => one.metadata?.name)).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(second.metadata?.resourceVersion).toBe(first.metadata?.resourceVersion)
    expect(await refused(core.listNamespacedConfigMap({ namespace, _continue: 'x' }))).toMatchObject({ code: 400 })
  })

  it('answers 410 to what is older than the history', async () => {
    const { metadata } = await core.listNamespacedConfigMap({ namespace, limit: 1 })
    for (let count = 0; count < 80; count += 1) {
      const body = [{ op: 'add', path: '/data', value: { count: String(count) } }]
      await request('PATCH', '/api/v1/namespaces/default/configmaps/a', body, {
        'content-type': 'application/json-patch+json'
      })
    }
    const list = await refused(core.listNamespacedConfigMap({ namespace, limit: 1, _continue: metadata!._continue! }))
    expect(list).toMatchObject({ code: 410, reason: 'Expired' })
    const watch = await request('GET', `/api/v1/configmaps?watch=true&resourceVersion=${metadata?.resourceVersion}`)
    expect(watch.body).toMatch(
      /^\{"type":"ERROR","object":\{"kind":"Status".*"too old resource version: .*"code":410\}\}\n$/
    )
  })

  it('watches through a selector: objects come into view and go out of it', async () => {
    const { metadata } = await core.listNamespacedConfigMap({ namespace })
    const label = (value: string) => [{ op: 'replace', path: '/metadata/labels/half', value }]
    const json = { 'content-type': 'application/json-patch+json' }
    await request('PATCH', '/api/v1/namespaces/default/configmaps/e', label('first'), json)
    await request('PATCH', '/api/v1/namespaces/default/configmaps/a', label('second'), json)
    const path =
      '/api/v1/namespaces/default/configmaps?watch=1&labelSelector=half%3Dfirst&timeoutSeconds=1&allowWatchBookmarks=true'
    const { body } = await request('GET', `${path}&resourceVersion=${metadata?.resourceVersion}`)
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
    const { body } = await request('GET', path)
    const events = body
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(events.slice(0, 5).map(({ type }) => type)).toEqual(Array.from({ length: 5 }, () => 'ADDED'))
    expect(events[5].object.metadata.annotations).toEqual({ 'k8s.io/initial-events-end': 'true' })
  })

  it('deletes a selected collection', async () => {
    await core.deleteCollectionNamespacedConfigMap({ namespace, labelSelector: 'half=first' })
    expect((await core.listNamespacedConfigMap({ namespace })).items.map(one => one.metadata?.name)).toEqual([
      'c',
      'd',
      'e'
    ])
  })

  it('selects by fields', async () => {
    const { items } = await core.listConfigMapForAllNamespaces({ fieldSelector: 'metadata.name=c' })
    expect(items.map(one => one.metadata?.name)).toEqual(['c'])
  })
})

describe('writes', () => {
  it('keeps spec and status apart and counts generations', async () => {
    const spec = {
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers } }
    }
    const made = await apps.createNamespacedDeployment({
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
    const status = await apps.replaceNamespacedDeploymentStatus({
      ...ref,
      body: { ...made, status: { replicas: 3 }, spec: { ...made.spec!, replicas: 9 } }
    })
    expect(status.status?.replicas).toBe(3)
    expect([status.spec?.replicas, status.metadata?.generation]).toEqual([1, 1])
    const scaled = await apps.patchNamespacedDeploymentScale({
      ...ref,
      body: [{ op: 'replace', path: '/spec/replicas', value: 4 }]
    })
    expect(scaled).toMatchObject({ spec: { replicas: 4 }, status: { replicas: 3, selector: 'a=b' } })
    const now = await apps.readNamespacedDeployment(ref)
    expect([now.spec?.replicas, now.metadata?.generation, now.status?.replicas]).toEqual([4, 2, 3])
  })

  it('changes nothing when nothing changes', async () => {
    const made = await core.createNamespacedConfigMap({
      namespace,
      body: { metadata: { name: 'same' }, data: { a: '1' } }
    })
    const again = await core.replaceNamespacedConfigMap({ name: 'same', namespace, body: made })
    expect(again.metadata?.resourceVersion).toBe(made.metadata?.resourceVersion)
  })

  it('completes names', async () => {
    const { metadata } = await core.createNamespacedConfigMap({
      namespace,
      body: { metadata: { generateName: 'some-' } }
    })
    expect(metadata?.name).toMatch(/^some-[bcdfghjklmnpqrstvwxz2456789]{5}$/)
  })

  it('does not store a dry run', async () => {
    await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'dry' } }, dryRun: 'All' })
    expect(await refused(core.readNamespacedConfigMap({ name: 'dry', namespace }))).toMatchObject({ code: 404 })
  })

  it('gives services addresses, once', async () => {
    const service = (name: string, spec: object) =>
      core.createNamespacedService({ namespace, body: { metadata: { name }, spec } })
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
    expect(await refused(core.replaceNamespacedService({ name: 'a', namespace, body: moved }))).toMatchObject({
      message: expect.stringContaining('may not change once set')
    })
    const { clusterIP: _, clusterIPs: __, ...rest } = made.spec!
    const kept = await core.replaceNamespacedService({
      name: 'a',
      namespace,
      body: { ...made, spec: { ...rest, ports: [{ port: 81 }] } }
    })
    expect(kept.spec?.clusterIP).toBe(made.spec?.clusterIP)
  })

  it('gives a pod its account, a token and the usual defaults', async () => {
    const { spec, status } = await core.createNamespacedPod({ namespace, body: pod('one') })
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
    const made = core.createNamespacedPod({
      namespace,
      body: pod('one', { spec: { containers, serviceAccountName: 'late' } })
    })
    await core.createNamespacedServiceAccount({ namespace, body: { metadata: { name: 'late' } } })
    expect((await made).spec?.serviceAccountName).toBe('late')
  })

  it('binds a pod once', async () => {
    await core.createNamespacedPod({ namespace, body: pod('one') })
    const bind = (name: string) =>
      request('POST', '/api/v1/namespaces/default/pods/one/binding', { target: { kind: 'Node', name } })
    expect((await bind('n')).code).toBe(201)
    expect((await bind('m')).code).toBe(409)
    expect((await core.readNamespacedPod({ name: 'one', namespace })).spec?.nodeName).toBe('n')
  })
})

describe('refusals', () => {
  it.each([
    {
      name: 'a name that is none',
      body: { metadata: { name: 'No_Name' } },
      message:
        /^ConfigMap "No_Name" is invalid: metadata\.name: Invalid value: "No_Name": a lowercase RFC 1123 subdomain must/
    },
    {
      name: 'no name',
      body: { metadata: {} },
      message: /metadata\.name: Required value: name or generateName is required/
    },
    {
      name: 'a label that is none',
      body: { metadata: { name: 'a', labels: { a: 'b c' } } },
      message: /metadata\.labels: Invalid value: "b c"/
    },
    {
      name: 'a key that cannot be a file',
      body: { metadata: { name: 'a' }, data: { 'a/b': '' } },
      message: /data\[a\/b\]: Invalid value/
    }
  ])('$name', async ({ body, message }) => {
    const { code, body: text } = await request('POST', '/api/v1/namespaces/default/configmaps', body)
    expect(code).toBe(422)
    expect(JSON.parse(text)).toMatchObject({
      kind: 'Status',
      apiVersion: 'v1',
      status: 'Failure',
      reason: 'Invalid',
      message: expect.stringMatching(message),
      code: 422
    })
  })

  it.each([
    { name: 'no containers', spec: {}, message: 'spec.containers: Required value' },
    {
      name: 'a container without an image',
      spec: { containers: [{ name: 'a' }] },
      message: 'spec.containers[0].image: Required value'
    },
    {
      name: 'two containers of one name',
      spec: { containers: [...containers, ...containers] },
      message: 'spec.containers[1].name: Duplicate value: "main"'
    },
    {
      name: 'a mount of nothing',
      spec: { containers: [{ ...containers[0], volumeMounts: [{ name: 'v', mountPath: '/v' }] }] },
      message: 'spec.containers[0].volumeMounts[0].name: Not found: "v"'
    },
    {
      name: 'a port out of range',
      spec: { containers: [{ ...containers[0], ports: [{ containerPort: 70_000 }] }] },
      message: 'must be between 1 and 65535, inclusive'
    },
    {
      name: 'an unknown policy',
      spec: { containers, restartPolicy: 'Sometimes' },
      message: 'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"'
    }
  ])('a pod with $name', async ({ spec, message }) => {
    const { code, body } = await request('POST', '/api/v1/namespaces/default/pods', { metadata: { name: 'p' }, spec })
    expect(code).toBe(422)
    expect(JSON.parse(body).message).toContain(message)
  })

  it('a change of what a pod may not change', async () => {
    const made = await core.createNamespacedPod({ namespace, body: pod('one') })
    const body = { ...made, spec: { ...made.spec!, hostNetwork: true } }
    expect(await refused(core.replaceNamespacedPod({ name: 'one', namespace, body }))).toMatchObject({
      code: 422,
      message: expect.stringContaining('pod updates may not change fields other than')
    })
  })

  it.each([
    {
      name: 'a number where text belongs',
      body: { metadata: { name: 'a' }, data: { a: 1 } },
      path: 'configmaps',
      message: 'json: cannot unmarshal number 1 into Go struct field ConfigMap.data.a of type string'
    },
    {
      name: 'text where a number belongs',
      body: { metadata: { name: 'a' }, spec: { ports: [{ port: '80' }] } },
      path: 'services',
      message: 'cannot unmarshal string'
    },
    {
      name: 'a list where an object belongs',
      body: { metadata: [] },
      path: 'configmaps',
      message: 'cannot unmarshal array'
    }
  ])('$name', async ({ body, path, message }) => {
    const answer = await request('POST', `/api/v1/namespaces/default/${path}`, body)
    expect(answer.code).toBe(400)
    expect(JSON.parse(answer.body).message).toContain(message)
  })

  it('unknown fields, as the request asks', async () => {
    const body = { metadata: { name: 'a' }, extra: 1 }
    const strict = await request('POST', '/api/v1/namespaces/default/configmaps?fieldValidation=Strict', body)
    expect(strict.code).toBe(400)
    expect(JSON.parse(strict.body).message).toContain('strict decoding error: unknown field "extra"')
    const warned = await request('POST', '/api/v1/namespaces/default/configmaps', body)
    expect(warned.headers.warning).toBe('299 - "unknown field \\"extra\\""')
    expect(JSON.parse(warned.body).extra).toBeUndefined()
  })

  it.each([
    {
      name: 'JSON that is none',
      method: 'POST',
      path: '/api/v1/namespaces/default/configmaps',
      body: '{"a":',
      code: 400
    },
    {
      name: 'an object of another kind',
      method: 'POST',
      path: '/api/v1/namespaces/default/configmaps',
      body: '{"kind":"Secret"}',
      code: 400
    },
    { name: 'a scalar', method: 'POST', path: '/api/v1/namespaces/default/configmaps', body: '1', code: 400 },
    {
      name: 'null metadata fields of odd types',
      method: 'POST',
      path: '/api/v1/namespaces/default/configmaps',
      body: '{"metadata":{"name":{}}}',
      code: 400
    },
    {
      name: 'finalizers that are text',
      method: 'POST',
      path: '/apis/security.istio.io/v1/namespaces/default/authorizationpolicies',
      body: '{"metadata":{"name":"a","finalizers":"x","labels":[1],"ownerReferences":[null]}}',
      code: 422
    },
    {
      name: 'protobuf that is none',
      method: 'POST',
      path: '/api/v1/namespaces/default/configmaps',
      body: 'k8s\0\xff\xff',
      type: 'application/vnd.kubernetes.protobuf',
      code: 400
    },
    {
      name: 'a media type that is none',
      method: 'POST',
      path: '/api/v1/namespaces/default/configmaps',
      body: '{}',
      type: 'text/plain',
      code: 415
    },
    { name: 'a patch of no type', method: 'PATCH', path: '/api/v1/namespaces/default', body: '{}', code: 415 },
    {
      name: 'YAML that is none',
      method: 'POST',
      path: '/api/v1/namespaces/default/configmaps',
      body: 'a: [',
      type: 'application/yaml',
      code: 400
    },
    {
      name: 'a body without end',
      method: 'POST',
      path: '/api/v1/namespaces/default/configmaps',
      body: JSON.stringify('x'.repeat(3_200_000)),
      code: 413
    },
    {
      name: 'a namespace that is not there',
      method: 'POST',
      path: '/api/v1/namespaces/nowhere/configmaps',
      body: '{"metadata":{"name":"a"}}',
      code: 404
    },
    { name: 'an unknown kind', method: 'GET', path: '/api/v1/things', code: 404 },
    { name: 'an unknown group', method: 'GET', path: '/apis/a.b/v1', code: 404 },
    { name: 'a namespaced object without its namespace', method: 'GET', path: '/api/v1/pods/a', code: 404 },
    { name: 'an unknown subresource', method: 'GET', path: '/api/v1/namespaces/default/pods/a/b/c/d', code: 404 },
    { name: 'broken escapes', method: 'GET', path: '/api/v1/namespaces/%zz', code: 400 },
    { name: 'an unknown method', method: 'PUT', path: '/api/v1/pods', code: 405 },
    { name: 'a bad selector', method: 'GET', path: '/api/v1/pods?labelSelector=a%20b%20c', code: 400 },
    { name: 'a bad number', method: 'GET', path: '/api/v1/pods?limit=x', code: 400 },
    { name: 'an unspeakable form', method: 'GET', path: '/api/v1/pods', accept: 'text/html', code: 406 },
    {
      name: 'a name from the prototype',
      method: 'GET',
      path: '/api/v1/namespaces/default/configmaps/__proto__',
      code: 404
    }
  ])('$name: $code', async ({ method, path, body, type, accept, code }) => {
    const headers = {
      ...(type === undefined ? {} : { 'content-type': type }),
      ...(accept === undefined ? {} : { accept })
    }
    const answer = await request(method, path, body, headers)
    expect(answer.code).toBe(code)
    expect(JSON.parse(answer.body)).toMatchObject({ kind: 'Status', status: 'Failure', code })
    // Still there for the next one.
    expect((await request('GET', '/readyz')).body).toBe('ok')
  })
})

describe('custom resources', () => {
  const group = 'example.com'
  const version = {
    name: 'v1',
    served: true,
    storage: true,
    subresources: { status: {} },
    schema: {
      openAPIV3Schema: {
        type: 'object',
        properties: {
          spec: {
            type: 'object',
            required: ['size'],
            properties: {
              size: { type: 'integer', minimum: 1 },
              color: { type: 'string', enum: ['red', 'green'], default: 'red' },
              parts: {
                type: 'array',
                items: { type: 'object', properties: { name: { type: 'string' } } },
                'x-kubernetes-list-type': 'map',
                'x-kubernetes-list-map-keys': ['name']
              }
            }
          },
          status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
        }
      }
    }
  }
  const crd = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'boxes.example.com' },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural: 'boxes', kind: 'Box' },
      versions: [version, { ...version, name: 'v1beta1', storage: false }]
    }
  }
  const box = (spec: object) =>
    ({ apiVersion: 'example.com/v1', kind: 'Box', metadata: { name: 'a', namespace }, spec }) as KubernetesObject
  let objects: CustomObjectsApi
  let generic: KubernetesObjectApi

  beforeEach(async () => {
    objects = config.makeApiClient(CustomObjectsApi)
    generic = KubernetesObjectApi.makeApiClient(config)
    // Raw: the library's own serializer loses what it does not know of schemas.
    const { code } = await request('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', crd)
    expect(code).toBe(201)
  })

  it('are served in all their versions, with defaults, pruned', async () => {
    const made = (await generic.create(box({ size: 1, unknown: 2 }))) as KubernetesObject & { spec: unknown }
    expect(made.spec).toEqual({ size: 1, color: 'red' })
    const beta = await objects.getNamespacedCustomObject({
      group,
      version: 'v1beta1',
      namespace,
      plural: 'boxes',
      name: 'a'
    })
    expect(beta).toMatchObject({ apiVersion: 'example.com/v1beta1', kind: 'Box', spec: { size: 1 } })
    const { code } = await request('GET', '/apis/example.com/v2/boxes')
    expect(code).toBe(404)
  })

  it.each([
    { spec: {}, message: 'Box.example.com "a" is invalid: spec.size: Required value' },
    { spec: { size: 0 }, message: 'spec.size in body should be greater than or equal to 1' },
    { spec: { size: 'x' }, message: 'spec.size in body must be of type integer: "string"' },
    {
      spec: { size: 1, color: 'blue' },
      message: 'spec.color: Unsupported value: "blue": supported values: "red", "green"'
    },
    { spec: { size: 1, parts: [{ name: 'a' }, { name: 'a' }] }, message: 'spec.parts[1]: Duplicate value' }
  ])('are validated: $message', async ({ spec, message }) => {
    const { code, body } = await request('POST', '/apis/example.com/v1/namespaces/default/boxes', box(spec))
    expect(code).toBe(422)
    expect(JSON.parse(body).message).toContain(message)
  })

  it('keep their status apart', async () => {
    await generic.create(box({ size: 1 }))
    const path = '/apis/example.com/v1/namespaces/default/boxes/a'
    const merge = { 'content-type': 'application/merge-patch+json' }
    const status = await request('PATCH', `${path}/status`, { spec: { size: 2 }, status: { done: true } }, merge)
    expect(JSON.parse(status.body)).toMatchObject({
      spec: { size: 1 },
      status: { done: true },
      metadata: { generation: 1 }
    })
    const spec = await request('PATCH', path, { spec: { size: 2 }, status: { done: false } }, merge)
    expect(JSON.parse(spec.body)).toMatchObject({
      spec: { size: 2 },
      status: { done: true },
      metadata: { generation: 2 }
    })
    const strategic = await request('PATCH', path, {}, { 'content-type': 'application/strategic-merge-patch+json' })
    expect(strategic.code).toBe(415)
  })

  it('go with their definition', async () => {
    await generic.create(box({ size: 1 }))
    await generic.delete(crd as KubernetesObject)
    expect((await request('GET', '/apis/example.com/v1/boxes')).code).toBe(404)
    expect(
      (await request('GET', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/boxes.example.com')).code
    ).toBe(404)
  })
})

describe('tokens', () => {
  it('bound to a pod end with it', async () => {
    const account = { name: 'default', namespace }
    const { metadata } = await core.createNamespacedPod({ namespace, body: pod('one') })
    const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name: 'one', uid: metadata!.uid! }
    const { status } = await core.createNamespacedServiceAccountToken({
      ...account,
      body: { spec: { audiences: ['a'], boundObjectRef } }
    })
    const review = async () => {
      const { body } = await request('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
        spec: { token: status?.token, audiences: ['a', 'b'] }
      })
      return JSON.parse(body).status
    }
    expect(await review()).toMatchObject({
      authenticated: true,
      audiences: ['a'],
      user: {
        username: 'system:serviceaccount:default:default',
        groups: ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated'],
        extra: {
          'authentication.kubernetes.io/pod-name': ['one'],
          'authentication.kubernetes.io/pod-uid': [metadata?.uid]
        }
      }
    })
    await core.deleteNamespacedPod({ name: 'one', namespace })
    expect(await review()).toMatchObject({ user: {}, error: expect.stringContaining('pod one has been deleted') })
  })

  it('open the API only when meant for it', async () => {
    const token = async (audiences: string[]) =>
      (await core.createNamespacedServiceAccountToken({ name: 'default', namespace, body: { spec: { audiences } } }))
        .status?.token
    const list = async (bearer: string | undefined) =>
      (
        await rawRequest(server, {
          method: 'GET',
          path: '/api/v1/pods',
          headers: { authorization: `Bearer ${bearer}` }
        })
      ).code
    expect(await list(await token([]))).toBe(200)
    expect(await list(await token(['istio-ca']))).toBe(401)
    expect(await list('x.y.z')).toBe(401)
  })

  it.each([
    { spec: { expirationSeconds: 60 }, code: 422 },
    { spec: { boundObjectRef: { kind: 'Pod', name: 'nobody' } }, code: 404 },
    { spec: { audiences: 'x' }, code: 400 }
  ])('are refused: $spec', async ({ spec, code }) => {
    expect((await request('POST', '/api/v1/namespaces/default/serviceaccounts/default/token', { spec })).code).toBe(
      code
    )
  })
})

it('lets in by client certificate', async () => {
  const own = new KubeConfig()
  own.loadFromString(await server.kubeconfig({ user: 'system:node:one', groups: ['system:nodes'] }))
  const { items } = await own.makeApiClient(CoreV1Api).listNamespace()
  expect(items.length).toBeGreaterThan(0)
})

it('listens on several sockets, bound ones too', async () => {
  const { fd } = listenTcp(undefined, { ip: '127.0.0.1', port: 0 })
  await using both = await startApiServer({ listen: [{ host: '127.0.0.1', port: 0 }, { fd }] })
  expect(both.addresses).toHaveLength(2)
  for (const { port } of both.addresses) {
    const { body } = await rawRequest(both, { method: 'GET', path: '/readyz', headers: {}, port })
    expect(body).toBe('ok')
  }
})

it('forwards ports for @kubernetes/client-node', async () => {
  const echo = createServer(socket => socket.pipe(socket))
  await new Promise<void>(resolve => echo.listen(0, '127.0.0.1', resolve))
  const { port } = echo.address() as { port: number }
  server.setKubelet('n', {
    log: () => {
      throw new Error('no logs here')
    },
    portForward: async () => connect(port, '127.0.0.1')
  })
  await core.createNamespacedPod({ namespace, body: pod('one', { spec: { containers, nodeName: 'n' } }) })
  const input = new PassThrough()
  const output = new PassThrough()
  const socket = await new PortForward(config).portForward(namespace, 'one', [8080], output, null, input)
  input.write('ping')
  for await (const chunk of output) {
    expect(String(chunk)).toBe('ping')
    break
  }
  ;(socket as { close(): void }).close()
  echo.close()
})
