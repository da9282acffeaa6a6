import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { json, pod, startTestApi } from '../test/test-api.ts'
import { createKubernetesClient } from './client.ts'
import { inClusterAccess } from './in-cluster.ts'
import { authorizationPolicies, namespaces, pods, serviceAccounts } from './resources.ts'

it.each([
  {
    what: 'a namespaced list with selectors',
    call: (c: ReturnType<typeof createKubernetesClient>) =>
      c.list(pods, { namespace: 'shop', labelSelector: 'app=cart', fieldSelector: 'spec.nodeName=n1' }),
    expected: 'GET /api/v1/namespaces/shop/pods?labelSelector=app%3Dcart&fieldSelector=spec.nodeName%3Dn1'
  },
  {
    what: 'a list over all namespaces of a group',
    call: (c: ReturnType<typeof createKubernetesClient>) => c.list(authorizationPolicies),
    expected: 'GET /apis/security.istio.io/v1/authorizationpolicies'
  },
  {
    what: 'a cluster-wide object',
    call: (c: ReturnType<typeof createKubernetesClient>) => c.get(namespaces, { name: 'shop' }),
    expected: 'GET /api/v1/namespaces/shop'
  },
  {
    what: 'a create',
    call: (c: ReturnType<typeof createKubernetesClient>) =>
      c.create(pods, { metadata: { name: 'a', namespace: 'shop' } }, { fieldManager: 'me' }),
    expected: 'POST /api/v1/namespaces/shop/pods?fieldManager=me',
    body: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', namespace: 'shop' } }
  },
  {
    what: 'a status replace',
    call: (c: ReturnType<typeof createKubernetesClient>) =>
      c.replace(pods, { metadata: { name: 'a', namespace: 'shop' } }, { subresource: 'status' }),
    expected: 'PUT /api/v1/namespaces/shop/pods/a/status'
  },
  {
    what: 'a server-side apply of a status',
    call: (c: ReturnType<typeof createKubernetesClient>) =>
      c.patch(
        authorizationPolicies,
        { namespace: 'shop', name: 'p' },
        { status: {} },
        { type: 'apply', subresource: 'status', fieldManager: 'istio', force: true }
      ),
    expected:
      'PATCH /apis/security.istio.io/v1/namespaces/shop/authorizationpolicies/p/status?fieldManager=istio&force=true',
    type: 'application/apply-patch+yaml'
  },
  {
    what: 'a strategic merge patch',
    call: (c: ReturnType<typeof createKubernetesClient>) =>
      c.patch(pods, { namespace: 'shop', name: 'a' }, { metadata: {} }, { type: 'strategic' }),
    expected: 'PATCH /api/v1/namespaces/shop/pods/a',
    type: 'application/strategic-merge-patch+json'
  },
  {
    what: 'a delete of one incarnation',
    call: (c: ReturnType<typeof createKubernetesClient>) =>
      c.delete(pods, { namespace: 'shop', name: 'a' }, { uid: 'u1', gracePeriodSeconds: 0 }),
    expected: 'DELETE /api/v1/namespaces/shop/pods/a',
    body: { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid: 'u1' }, gracePeriodSeconds: 0 }
  },
  {
    what: 'a token request',
    call: (c: ReturnType<typeof createKubernetesClient>) =>
      c.createSubresource(serviceAccounts, { namespace: 'shop', name: 'cart' }, 'token', { spec: {} }),
    expected: 'POST /api/v1/namespaces/shop/serviceaccounts/cart/token'
  }
])('sends $what', async ({ call, expected, body, type }) => {
  await using api = await startTestApi((_, response) => json(response, 200, { items: [], metadata: {} }))
  const client = createKubernetesClient(api.access)
  await call(client)
  client.close()
  const [request] = api.seen
  expect(`${request?.method} ${request?.url.pathname}${request?.url.search}`).toBe(expected)
  if (body !== undefined) expect(JSON.parse(request?.body ?? '')).toEqual(body)
  if (type !== undefined) expect(request?.headers['content-type']).toBe(type)
})

it('joins the pages of a list and gives each item its kind', async () => {
  await using api = await startTestApi(({ url }, response) => {
    const second = url.searchParams.get('continue') === 'next'
    const metadata = second ? { resourceVersion: '9' } : { resourceVersion: '9', continue: 'next' }
    json(response, 200, { metadata, items: [pod(second ? 'b' : 'a', '1')] })
  })
  const list = await createKubernetesClient(api.access).list(pods)
  expect(list.resourceVersion).toBe('9')
  expect(list.items.map(item => [item.kind, item.apiVersion, item.metadata?.name])).toEqual([
    ['Pod', 'v1', 'a'],
    ['Pod', 'v1', 'b']
  ])
})

it.each([
  [401, { reason: 'Unauthorized', message: 'Unauthorized' }, 'KUBERNETES_UNAUTHORIZED'],
  [403, { reason: 'Forbidden', message: 'pods is forbidden' }, 'KUBERNETES_FORBIDDEN'],
  [409, { reason: 'AlreadyExists', message: 'exists' }, 'KUBERNETES_ALREADY_EXISTS'],
  [409, { reason: 'Conflict', message: 'changed' }, 'KUBERNETES_CONFLICT'],
  [410, { reason: 'Expired', message: 'too old' }, 'KUBERNETES_GONE'],
  [422, { reason: 'Invalid', message: 'bad name' }, 'KUBERNETES_INVALID'],
  [503, 'upstream down', 'KUBERNETES_SERVER_ERROR']
] as const)('an answer of %i %o is %s, with the server’s words', async (status, body, code) => {
  await using api = await startTestApi((_, response) => json(response, status, body))
  const client = createKubernetesClient(api.access)
  const message = typeof body === 'string' ? body : body.message
  await expect(client.create(pods, { metadata: { name: 'a' } })).rejects.toMatchObject({
    code,
    status,
    message: expect.stringContaining(message)
  })
})

it('a missing object is undefined, a missing delete is false', async () => {
  await using api = await startTestApi((_, response) => json(response, 404, { reason: 'NotFound', message: 'no' }))
  const client = createKubernetesClient(api.access)
  expect(await client.get(pods, { namespace: 'shop', name: 'a' })).toBeUndefined()
  expect(await client.delete(pods, { namespace: 'shop', name: 'a' })).toBe(false)
})

it('names the server that nobody listens at', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  const access = {
    getCurrentCluster: () => ({ server: `http://127.0.0.1:${port}` }),
    applyToHTTPSOptions: async () => {}
  }
  await expect(createKubernetesClient(access).list(pods)).rejects.toMatchObject({
    code: 'KUBERNETES_UNREACHABLE',
    message: expect.stringContaining(`127.0.0.1:${port}`)
  })
})

it('gives up on an answer that does not come, and says so', async () => {
  await using api = await startTestApi(() => {})
  const client = createKubernetesClient(api.access)
  const call = client.request({ method: 'GET', path: '/version', timeout: 50 })
  await expect(call).rejects.toMatchObject({ code: 'KUBERNETES_TIMEOUT' })
})

it('reads the token file again for every request', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'culvert-token-'))
  try {
    await writeFile(`${directory}/ca.crt`, 'unused over HTTP')
    await writeFile(`${directory}/token`, 'first\n')
    await using api = await startTestApi((_, response) => json(response, 200, { items: [] }))
    const pod = inClusterAccess({ host: 'ignored', port: 443, directory })
    const client = createKubernetesClient({ ...pod, getCurrentCluster: () => ({ server: api.url }) })
    await client.list(pods)
    await writeFile(`${directory}/token`, 'second\n')
    await client.list(pods)
    expect(api.seen.map(({ headers }) => headers.authorization)).toEqual(['Bearer first', 'Bearer second'])
    await rm(`${directory}/token`)
    await expect(client.list(pods)).rejects.toMatchObject({
      code: 'KUBERNETES_CONFIG',
      message: expect.stringContaining(`${directory}/token`)
    })
  } finally {
    await rm(directory, { recursive: true })
  }
})

it('applies a manifest of a kind that only the server knows', async () => {
  await using api = await startTestApi(({ method, url }, response) => {
    if (method === 'GET' && url.pathname === '/apis/example.org/v1') {
      const resources = [
        { name: 'widgets/status', kind: 'Widget', namespaced: true },
        { name: 'widgets', kind: 'Widget', namespaced: true }
      ]
      return json(response, 200, { resources })
    }
    json(response, method === 'PATCH' ? 200 : 404, {})
  })
  const client = createKubernetesClient(api.access)
  const metadata = { name: 'w', namespace: 'shop', resourceVersion: '4', managedFields: [] }
  await client.applyManifest({ apiVersion: 'example.org/v1', kind: 'Widget', metadata })
  const patch = api.seen.at(-1)
  expect(patch?.url.pathname).toBe('/apis/example.org/v1/namespaces/shop/widgets/w')
  expect(JSON.parse(patch?.body ?? '').metadata).toEqual({ name: 'w', namespace: 'shop' })
  await expect(
    client.applyManifest({ apiVersion: 'example.org/v1', kind: 'Gadget', metadata: { name: 'g' } })
  ).rejects.toMatchObject({ code: 'KUBERNETES_UNKNOWN_KIND', message: expect.stringContaining('Gadget') })
})

it('an aborted call, and credentials that cannot be read, are errors of this package too', async () => {
  await using api = await startTestApi((_, response) => json(response, 200, { items: [] }))
  const client = createKubernetesClient(api.access)
  const aborted = { code: 'KUBERNETES_ABORTED' }
  await expect(client.list(pods, { signal: AbortSignal.abort() })).rejects.toMatchObject(aborted)
  const watch = client.watch(pods, { signal: AbortSignal.abort() })[Symbol.asyncIterator]()
  await expect(watch.next()).rejects.toMatchObject(aborted)
  const broken = { ...api.access, applyToHTTPSOptions: () => Promise.reject(new Error('exec plugin failed')) }
  await expect(createKubernetesClient(broken).list(pods)).rejects.toMatchObject({
    code: 'KUBERNETES_CONFIG',
    message: expect.stringContaining('exec plugin failed')
  })
})

it('asks again when a kept connection was closed at the moment of its use, unless asking twice could do harm', async () => {
  let requests = 0
  await using api = await startTestApi((_, response) => {
    if (++requests % 2 === 0) response.socket?.destroy()
    else json(response, 200, { items: [] })
  })
  const client = createKubernetesClient(api.access)
  await client.list(pods)
  await client.list(pods)
  expect(requests).toBe(3)
  await expect(client.create(pods, { metadata: { name: 'a' } })).rejects.toMatchObject({
    code: 'KUBERNETES_UNREACHABLE'
  })
  expect(requests).toBe(4)
})
