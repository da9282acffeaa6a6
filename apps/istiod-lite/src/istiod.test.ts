import { X509Certificate } from 'node:crypto'
import { get as httpGet } from 'node:http'
import { connect as connectTls } from 'node:tls'
import {
  authorizationPolicies,
  type AuthorizationPolicy,
  configMaps,
  gateways,
  namespaces,
  nodes,
  pods,
  secrets,
  services,
  type V1Pod
} from '@culvert/kubernetes'
import { parseCertificates } from '@culvert/spiffe'
import {
  addressTypeUrl,
  authorizationTypeUrl,
  clientConfigTypeUrl,
  decodeAddress,
  decodeAuthorization,
  decodeClientConfig
} from '@culvert/workloads'
import { credentials, status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../test/eventually.ts'
import { type ControlPlane, startControlPlane } from '../test/control-plane.ts'
import {
  connect,
  openStatus,
  openXds,
  requestCertificate,
  secureCredentials,
  ztunnelNode
} from '../test/grpc-client.ts'

let plane: ControlPlane
let cart: V1Pod
let ztunnelToken: string
let cartToken: string

const meshPod = (name: string, namespace: string, account: string, node: string, ip: string): V1Pod => ({
  metadata: { name, namespace, labels: { app: name } },
  spec: { serviceAccountName: account, nodeName: node, containers: [{ name: 'app', image: 'x' }] },
  status: { phase: 'Running', podIP: ip, podIPs: [{ ip }], conditions: [{ type: 'Ready', status: 'True' }] }
})

beforeAll(async () => {
  plane = await startControlPlane()
  await plane.createNamespace('shop')
  for (const name of ['n1', 'n2']) await plane.client.create(nodes, { metadata: { name } })
  for (const [namespace, name] of [
    ['istio-system', 'ztunnel'],
    ['shop', 'cart'],
    ['shop', 'pay']
  ] as const) {
    await plane.createAccount(namespace, name)
  }
  const ztunnel = await plane.createPod(meshPod('zt-1', 'istio-system', 'ztunnel', 'n1', '10.0.0.1'))
  cart = await plane.createPod(meshPod('cart-0', 'shop', 'cart', 'n1', '10.0.0.2'))
  await plane.createPod(meshPod('pay-0', 'shop', 'pay', 'n2', '10.0.0.3'))
  ztunnelToken = await plane.token({ namespace: 'istio-system', serviceAccount: 'ztunnel', pod: ztunnel })
  cartToken = await plane.token({ namespace: 'shop', serviceAccount: 'cart', pod: cart })
  // The pods have arrived in the caches when the control plane has published them.
  await plane.published(names => names.length >= 3)
}, 30_000)
afterAll(() => plane[Symbol.asyncDispose]())

const bearer = (token: string, cluster = 'Kubernetes') => ({ authorization: `Bearer ${token}`, clusterid: cluster })
const fetchText = async (path: string) => (await fetch(`http://127.0.0.1:${plane.httpPort}${path}`)).text()
const secure = (to: ControlPlane = plane) => connect(to.securePort, secureCredentials(to.root))

describe('discovery', () => {
  const node = ztunnelNode({ pod: 'zt-1' })

  it('[workload-xds-21, 30] carries what is there, then only what changes, until the pod is gone', async () => {
    using stream = openXds(secure(), bearer(ztunnelToken))
    stream.send({ typeUrl: addressTypeUrl, node })
    stream.send({ typeUrl: authorizationTypeUrl, node })
    const first = await stream.next()
    expect(first.typeUrl).toBe(addressTypeUrl)
    expect(first.resources?.map(({ name }) => name)).toContain('Kubernetes//Pod/shop/cart-0')
    stream.send({ typeUrl: addressTypeUrl, responseNonce: first.nonce ?? '' })
    const policies = await stream.next()
    stream.send({ typeUrl: authorizationTypeUrl, responseNonce: policies.nonce ?? '' })

    const ip = '10.0.1.1'
    const made = await plane.createPod(meshPod('late', 'shop', 'cart', 'n1', ip))
    const uid = 'Kubernetes//Pod/shop/late'
    const added = await stream.next()
    expect(added.resources?.map(({ name }) => name)).toEqual([uid])
    expect(decodeAddress(added.resources?.[0]?.resource?.value ?? new Uint8Array()).workload).toMatchObject({
      serviceAccount: 'cart',
      node: 'n1',
      addresses: [Buffer.from([10, 0, 1, 1])]
    })

    // This alters no message; the next response is the removal, and not a second copy of the workload.
    const ref = { namespace: 'shop', name: 'late' }
    await plane.client.patch(pods, ref, { metadata: { annotations: { note: 'x' } } }, { type: 'merge' })
    await plane.client.delete(pods, ref, { uid: made.metadata?.uid, gracePeriodSeconds: 0 })
    const removed = await stream.next()
    expect([removed.resources ?? [], removed.removedResources]).toEqual([[], [uid]])
  })

  it('pushes a policy to the streams that want policies, and its condition to the object', async () => {
    using stream = openXds(secure(), bearer(ztunnelToken))
    stream.send({ typeUrl: authorizationTypeUrl, node })
    await stream.next()
    const policy: AuthorizationPolicy = {
      metadata: { name: 'till', namespace: 'shop' },
      spec: { rules: [{ from: [{ source: { namespaces: ['web'] } }], to: [{ operation: { methods: ['GET'] } }] }] }
    }
    const made = await plane.client.create(authorizationPolicies, policy)
    const pushed = await stream.next()
    expect(pushed.resources?.map(({ name }) => name)).toEqual(['shop/till'])
    expect(decodeAuthorization(pushed.resources?.[0]?.resource?.value ?? new Uint8Array())).toMatchObject({ scope: 1 })

    const ref = { namespace: 'shop', name: 'till' }
    await eventually(
      async () => (await plane.client.get(authorizationPolicies, ref))?.status?.conditions
    ).toMatchObject([{ type: 'ZtunnelAccepted', status: 'True', reason: 'UnsupportedValue', observedGeneration: 1 }])
    const now = await plane.client.get(authorizationPolicies, ref)
    const owners = now?.metadata?.managedFields?.filter(({ subresource }) => subresource === 'status')
    expect(owners?.map(({ manager, operation }) => [manager, operation])).toEqual([
      ['istio-ambient-ztunnel-policy', 'Apply']
    ])

    const targeted = { ...policy.spec, targetRefs: [{ kind: 'Service', name: 'x', group: '' }] }
    await plane.client.replace(authorizationPolicies, { ...made, spec: targeted, metadata: { ...now?.metadata } })
    await eventually(
      async () => (await plane.client.get(authorizationPolicies, ref))?.status?.conditions ?? []
    ).toMatchObject([{ type: 'WaypointAccepted', status: 'False', reason: 'TargetNotFound', observedGeneration: 2 }])
    await plane.client.delete(authorizationPolicies, ref)
  })

  it('[workload-xds-29] [authorization-26] says which waypoint a Service and a policy are bound to, and prunes it', async () => {
    const { client } = plane
    await plane.createNamespace('way')
    await client.create(gateways, {
      metadata: { name: 'gate', namespace: 'way' },
      spec: {
        gatewayClassName: 'istio-waypoint',
        listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }]
      }
    })
    const address = { status: { addresses: [{ type: 'IPAddress', value: '10.96.40.1' }] } }
    const service = { namespace: 'way', name: 'ledger' }
    const labels = { 'istio.io/use-waypoint': 'gate' }
    await client.create(services, { metadata: { ...service, labels }, spec: { ports: [{ port: 80 }] } })
    const targetRefs = [
      { kind: 'Service', group: '', name: 'ledger' },
      { kind: 'Service', group: '', name: 'typo' }
    ]
    const policy = { namespace: 'way', name: 'p' }
    await client.create(authorizationPolicies, { metadata: policy, spec: { targetRefs, rules: [{}] } })
    const ofService = async () => (await client.get(services, service))?.status?.conditions ?? []
    const ofPolicy = async () => (await client.get(authorizationPolicies, policy))?.status?.conditions ?? []
    await eventually(ofService).toMatchObject([
      { type: 'istio.io/WaypointBound', status: 'False', reason: 'WaypointIsNotReady' }
    ])

    await client.patch(gateways, { namespace: 'way', name: 'gate' }, address, { type: 'merge', subresource: 'status' })
    await eventually(ofService).toMatchObject([
      { status: 'True', reason: 'WaypointAccepted', message: expect.stringContaining('way/gate') }
    ])
    await eventually(ofPolicy).toMatchObject([
      {
        type: 'WaypointAccepted',
        status: 'True',
        reason: 'PartiallyInvalid',
        message: 'Invalid targetRefs: Service.core:way/typo'
      }
    ])
    expect((await fetchText(`/debug/ambientz`)).includes('"name":"p"')).toBe(false)

    const unlabelled = { metadata: { labels: { 'istio.io/use-waypoint': null } } }
    await client.patch(services, service, unlabelled, { type: 'merge' })
    await eventually(ofService).toEqual([])
    await client.delete(services, service)
    await client.delete(gateways, { namespace: 'way', name: 'gate' })
    await client.delete(authorizationPolicies, policy)
    // Other tests count on streams that are quiet.
    await plane.published(names => !names.includes('ledger.way.svc.cluster.local'))
  })

  it('resends the workloads of a Service that changes', async () => {
    const service = {
      metadata: { name: 'cart', namespace: 'shop' },
      spec: { selector: { app: 'cart-0' }, ports: [{ port: 80 }] }
    }
    using stream = openXds(secure(), bearer(ztunnelToken))
    stream.send({ typeUrl: addressTypeUrl, node })
    await stream.next()
    await plane.client.create(services, service)
    const names = ['Kubernetes//Pod/shop/cart-0', 'shop/cart.shop.svc.cluster.local']
    expect((await stream.next()).resources?.map(({ name }) => name).sort()).toEqual(names)
    await plane.client.delete(services, { namespace: 'shop', name: 'cart' })
    const gone = await stream.next()
    expect([gone.resources?.map(({ name }) => name), gone.removedResources]).toEqual([[names[0]], [names[1]]])
  })

  it.each([
    ['no node', undefined, status.INVALID_ARGUMENT, 'missing node'],
    ['no id', { metadata: {} }, status.INVALID_ARGUMENT, 'missing node'],
    [
      'an id of three parts',
      { ...node, id: 'ztunnel~10.0.0.1~zt-1.istio-system' },
      status.INVALID_ARGUMENT,
      'missing parts'
    ],
    ['an unknown type', { ...node, id: node.id?.replace('ztunnel', 'proxy') ?? '' }, status.INVALID_ARGUMENT, 'type'],
    ['no address', { id: 'ztunnel~x~zt-1.istio-system~d', metadata: {} }, status.INVALID_ARGUMENT, 'IP'],
    ['another namespace', ztunnelNode({ pod: 'zt-1', namespace: 'shop' }), status.PERMISSION_DENIED, 'namespace'],
    [
      'another account',
      { ...node, metadata: { ...node.metadata, SERVICE_ACCOUNT: 'other' } },
      status.PERMISSION_DENIED,
      'service account'
    ]
  ])('[workload-xds-20] refuses a first request with %s', async (_, given, code, details) => {
    using stream = openXds(secure(), bearer(ztunnelToken))
    stream.send({ typeUrl: addressTypeUrl, ...(given === undefined ? {} : { node: given }) })
    await expect(stream.next()).rejects.toMatchObject({ code, details: expect.stringContaining(details) })
  })

  it.each([
    ['an invalid token', { authorization: 'Bearer not-a-token' }],
    ['no token', {}],
    ['a token for another cluster', () => bearer(ztunnelToken, 'elsewhere')]
  ])('[workload-xds-20] refuses %s', async (_, headers) => {
    using stream = openXds(secure(), typeof headers === 'function' ? headers() : (headers as Record<string, string>))
    stream.send({ typeUrl: addressTypeUrl, node })
    await expect(stream.next()).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
      details: 'authentication failure'
    })
  })

  it('serves the plaintext port without asking who is there', async () => {
    using stream = openXds(connect(plane.plainPort, credentials.createInsecure()))
    stream.send({ typeUrl: addressTypeUrl, node })
    expect((await stream.next()).typeUrl).toBe(addressTypeUrl)
  })

  it('refuses a ztunnel when ambient is off', async () => {
    await using off = await startControlPlane({ beside: plane, environment: { PILOT_ENABLE_AMBIENT: 'false' } })
    using stream = openXds(secure(off), bearer(ztunnelToken))
    stream.send({ typeUrl: addressTypeUrl, node })
    await expect(stream.next()).rejects.toMatchObject({ code: status.UNKNOWN })
  })
})

describe('the certificate service', () => {
  const leafOf = (chain: readonly string[]) => new X509Certificate(chain[0] ?? '')
  const ask = async (options: Parameters<typeof requestCertificate>[1], client = secure()) => {
    try {
      return await requestCertificate(client, options)
    } finally {
      client.close()
    }
  }
  const spiffe = (account: string, td = 'acme.test') => `spiffe://${td}/ns/shop/sa/${account}`

  it('[identity-ca-5, 7] signs for the caller alone, whatever the request names, and ends with the root', async () => {
    const { chain } = await ask({ headers: bearer(cartToken) })
    expect(chain).toHaveLength(2)
    expect(leafOf(chain).subjectAltName).toBe('URI:spiffe://cluster.local/ns/shop/sa/cart')
    expect(chain[1]).toBe(plane.root)
    expect(leafOf(chain).verify(new X509Certificate(plane.root).publicKey)).toBe(true)
  })

  it('[identity-ca-6] backdates by two minutes and lives as long as asked for', async () => {
    const before = Date.now()
    const { chain } = await ask({ headers: bearer(cartToken), validitySeconds: 3600 })
    const leaf = leafOf(chain)
    expect(leaf.validToDate.getTime() - leaf.validFromDate.getTime()).toBe(3600_000 + 120_000)
    expect(Math.abs(leaf.validFromDate.getTime() + 120_000 - before)).toBeLessThan(10_000)
    expect(leaf.ca).toBe(false)
  })

  it.each([
    [0, 24 * 3600],
    [-5, 24 * 3600],
    [2160 * 3600, 2160 * 3600]
  ])('[identity-ca-8] asked for %i s, gives %i s', async (validitySeconds, expected) => {
    const leaf = leafOf((await ask({ headers: bearer(cartToken), validitySeconds })).chain)
    expect((leaf.validToDate.getTime() - leaf.validFromDate.getTime()) / 1000 - 120).toBe(expected)
  })

  it('[identity-ca-8] refuses more than the maximum', async () => {
    const call = ask({ headers: bearer(cartToken), validitySeconds: 2160 * 3600 + 1 })
    await expect(call).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: 'CSR signing error (requested TTL 2160h0m1s is greater than the max allowed TTL 2160h0m0s)'
    })
  })

  it('[identity-ca-10] without credentials even a broken request is refused for that', async () => {
    await expect(ask({ csr: 'broken' })).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
      details: 'request authenticate failure'
    })
  })

  it('[identity-ca-11] a request that is not PEM', async () => {
    await expect(ask({ headers: bearer(cartToken), csr: 'broken' })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining('CSR signing error')
    })
  })

  const refused = { code: status.UNAUTHENTICATED, details: 'request impersonation authentication failure' }
  it('[identity-ca-12] a node’s proxy gets the identities of its node, verbatim, and no others', async () => {
    const { chain } = await ask({ headers: bearer(ztunnelToken), impersonate: spiffe('cart') })
    expect(leafOf(chain).subjectAltName).toBe(`URI:${spiffe('cart')}`)
    await expect(ask({ headers: bearer(ztunnelToken), impersonate: spiffe('pay') })).rejects.toMatchObject(refused)
    await expect(ask({ headers: bearer(cartToken), impersonate: spiffe('cart') })).rejects.toMatchObject(refused)
    await expect(ask({ headers: bearer(ztunnelToken), impersonate: 'no-id' })).rejects.toMatchObject(refused)
  })

  it('[identity-ca-12] without its cluster’s name a proxy is authenticated, but has no node', async () => {
    const headers = { authorization: `Bearer ${ztunnelToken}` }
    await expect(ask({ headers, impersonate: spiffe('cart') })).rejects.toMatchObject(refused)
    expect((await ask({ headers })).chain).toHaveLength(2)
  })

  it('a token that is bound to no pod cannot impersonate', async () => {
    const unbound = await plane.token({ namespace: 'istio-system', serviceAccount: 'ztunnel' })
    await expect(ask({ headers: bearer(unbound), impersonate: spiffe('cart') })).rejects.toMatchObject(refused)
  })

  it('[identity-ca-13] a client certificate comes first, and has no pod', async () => {
    const own = await ask({ headers: bearer(ztunnelToken) })
    const identity = { certificateChain: own.chain.slice(0, -1).join(''), privateKey: own.privateKey }
    const client = () => connect(plane.securePort, secureCredentials(plane.root, identity))
    const { chain } = await ask({}, client())
    expect(leafOf(chain).subjectAltName).toBe('URI:spiffe://cluster.local/ns/istio-system/sa/ztunnel')
    const call = ask({ headers: bearer(ztunnelToken), impersonate: spiffe('cart') }, client())
    await expect(call).rejects.toMatchObject(refused)
  })

  it('refuses the connection of a client certificate of another trust domain or another root', async () => {
    await using other = await startControlPlane({ trustDomain: 'other.test' })
    const token = await other.token({ namespace: 'istio-system', serviceAccount: 'ztunnel' })
    const foreign = await ask({ headers: bearer(token) }, secure(other))
    const own = await ask({ headers: bearer(ztunnelToken), impersonate: spiffe('cart') })
    for (const { chain, privateKey } of [foreign, own]) {
      const identity = { certificateChain: chain.slice(0, -1).join(''), privateKey }
      const client = connect(plane.securePort, secureCredentials(plane.root, identity))
      await expect(ask({ headers: bearer(ztunnelToken) }, client)).rejects.toMatchObject({ code: status.UNAVAILABLE })
    }
  })

  it('[identity-ca-14] is not on the plaintext port', async () => {
    const client = connect(plane.plainPort, credentials.createInsecure())
    await expect(ask({ headers: bearer(cartToken) }, client)).rejects.toMatchObject({ code: status.UNIMPLEMENTED })
  })

  it('[identity-ca-2] writes a trust domain with @ as a host', async () => {
    await using at = await startControlPlane({ beside: plane, trustDomain: 'ops@acme.test' })
    const { chain, privateKey } = await ask({ headers: bearer(cartToken) }, secure(at))
    expect(leafOf(chain).subjectAltName).toBe('URI:spiffe://ops.acme.test/ns/shop/sa/cart')
    const identity = { certificateChain: chain.slice(0, -1).join(''), privateKey }
    expect((await ask({}, connect(at.securePort, secureCredentials(at.root, identity)))).chain).toHaveLength(2)
  })
})

describe('the authority’s objects', () => {
  it('[identity-ca-16] the Secret has the key pair, and a second instance loads it', async () => {
    const secret = await plane.client.get(secrets, { namespace: 'istio-system', name: 'istio-ca-secret' })
    expect(secret?.type).toBe('istio.io/ca-root')
    const data = Object.fromEntries(
      Object.entries(secret?.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()])
    )
    expect(Object.keys(data).sort()).toEqual([
      'ca-cert.pem',
      'ca-key.pem',
      'cert-chain.pem',
      'key.pem',
      'root-cert.pem'
    ])
    expect(data['root-cert.pem']).toBe(data['ca-cert.pem'])
    expect(data['ca-key.pem']).toMatch(/^-----BEGIN RSA PRIVATE KEY-----/)
    expect([data['cert-chain.pem'], data['key.pem']]).toEqual(['', ''])
    await using second = await startControlPlane({ beside: plane })
    expect(second.root).toBe(plane.root)
  })

  const root = (namespace: string) => plane.client.get(configMaps, { namespace, name: 'istio-ca-root-cert' })
  it('[identity-ca-19] every namespace has the root, restored when deleted or edited; kube-public has not', async () => {
    await plane.createNamespace('fresh')
    await eventually(async () => (await root('fresh'))?.data).toEqual({ 'root-cert.pem': plane.root })
    expect((await root('fresh'))?.metadata?.labels).toEqual({ 'istio.io/config': 'true' })

    await plane.client.delete(configMaps, { namespace: 'fresh', name: 'istio-ca-root-cert' })
    await eventually(async () => (await root('fresh'))?.data?.['root-cert.pem']).toBe(plane.root)

    const edit = { data: { 'root-cert.pem': 'wrong', other: 'kept' } }
    await plane.client.patch(configMaps, { namespace: 'fresh', name: 'istio-ca-root-cert' }, edit, { type: 'merge' })
    const expected = { 'root-cert.pem': plane.root, other: 'kept' }
    await eventually(async () => (await root('fresh'))?.data).toEqual(expected)

    for (const name of ['kube-public', 'kube-system']) {
      if ((await plane.client.get(namespaces, { name })) === undefined) await plane.createNamespace(name)
    }
    await eventually(async () => (await root('kube-system'))?.data?.['root-cert.pem']).toBe(plane.root)
    expect(await root('kube-public')).toBeUndefined()
  })

  it('[identity-ca-20] istiod’s own certificate names its services', async () => {
    await using blue = await startControlPlane({
      beside: plane,
      environment: { REVISION: 'blue', ISTIOD_CUSTOM_HOST: 'istiod.example' }
    })
    const names = await new Promise<string | undefined>((resolve, reject) => {
      const socket = connectTls({
        port: blue.securePort,
        host: '127.0.0.1',
        ca: blue.root,
        servername: 'istiod-blue.istio-system.svc',
        ALPNProtocols: ['h2']
      })
      socket.once('secureConnect', () => {
        resolve(socket.getPeerX509Certificate()?.subjectAltName)
        socket.destroy()
      })
      socket.once('error', reject)
    })
    expect(names?.split(', ')).toEqual([
      'DNS:istio-pilot.istio-system.svc',
      'DNS:istiod-blue.istio-system.svc',
      'DNS:istiod-remote.istio-system.svc',
      'DNS:istiod.example',
      'DNS:istiod.istio-system.svc'
    ])
  })
})

describe('what operators see', () => {
  const get = async (port: number, path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`)
    return { status: response.status, text: await response.text(), type: response.headers.get('content-type') }
  }

  it('is ready, has a version and Prometheus text', async () => {
    expect(await get(plane.httpPort, '/ready')).toMatchObject({ status: 200, text: '' })
    expect((await get(plane.monitoringPort, '/version')).text.split('-').at(-1)).toBe('Clean')
    const { type, text } = await get(plane.monitoringPort, '/metrics')
    expect(type).toContain('text/plain; version=0.0.4')
    expect(text).toMatch(/^citadel_server_success_cert_issuance_count [1-9]/m)
    expect(text).toMatch(/^pilot_debounce_time_count [1-9]/m)
    expect(text).toMatch(/^pilot_xds_pushes\{type="wds"\} [1-9]/m)
  })

  it('[observability-dns-28] answers a path with two slashes, as istioctl asks, and outlives a target that is no URL', async () => {
    const status = (path: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        httpGet({ port: plane.monitoringPort, host: '127.0.0.1', path }, response => {
          response.resume()
          resolve(response.statusCode)
        }).on('error', reject)
      })
    expect(await status('//version')).toBe(200)
    expect(await status('http://[')).toBe(400)
  })

  it('lists its clients and what they were sent', async () => {
    using stream = openXds(secure(), bearer(ztunnelToken))
    stream.send({ typeUrl: addressTypeUrl, node: ztunnelNode({ pod: 'zt-1' }) })
    const { nonce = '' } = await stream.next()
    stream.send({ typeUrl: addressTypeUrl, responseNonce: nonce })
    await eventually(async () => JSON.parse((await get(plane.httpPort, '/debug/syncz')).text)).toContainEqual({
      cluster_id: 'Kubernetes',
      proxy: 'zt-1.istio-system',
      proxy_type: 'ztunnel',
      resources: { [addressTypeUrl]: { sent: nonce, acked: nonce, sentTime: expect.any(String) } }
    })
    expect((await get(plane.httpPort, '/debug/config_dump')).status).toBe(400)
    expect(await get(plane.httpPort, '/debug/config_dump?proxyID=nobody')).toMatchObject({
      status: 404,
      text: expect.stringContaining('Proxy not connected to this Pilot instance.')
    })
    const dump = JSON.parse((await get(plane.httpPort, '/debug/config_dump?proxyID=zt-1')).text)
    expect(dump.configs.length).toBeGreaterThanOrEqual(3)
    const all = JSON.parse((await get(plane.monitoringPort, '/debug/ambientz?pretty')).text)
    expect(all.workloads.map((w: { uid: string }) => w.uid)).toContain('Kubernetes//Pod/shop/pay-0')
    expect((await get(plane.httpPort, '/debug/nonsense')).status).toBe(404)
  })
})

describe('the stream that istioctl proxy-status opens', () => {
  const asking = (pod = 'istioctl', namespace = 'istio-system') => {
    const { id, metadata } = ztunnelNode({ pod, namespace })
    return { id: id?.replace('ztunnel~', 'sidecar~') ?? '', metadata: { ...metadata, GENERATOR: 'event' } }
  }
  const typeUrl = 'istio.io/debug/syncz'
  const shown = async (stream: ReturnType<typeof openStatus>, request: Parameters<typeof stream.send>[0]) => {
    stream.send(request)
    const { resources = [], controlPlane, ...rest } = await stream.next()
    expect(rest.typeUrl).toBe(typeUrl)
    expect(JSON.parse(controlPlane?.identifier ?? '')).toMatchObject({
      Component: 'istiod',
      ID: 'istiod',
      Info: { version: expect.any(String), revision: expect.any(String), status: 'Clean' }
    })
    expect(resources.every(resource => resource.typeUrl === clientConfigTypeUrl)).toBe(true)
    return {
      nonce: rest.nonce ?? '',
      clients: resources.map(({ value }) => decodeClientConfig(value ?? new Uint8Array()))
    }
  }

  it('[observability-dns-28] tells of each client and type how far it is, and answers an acknowledgement with nothing', async () => {
    using client = openXds(secure(), bearer(ztunnelToken))
    client.send({ typeUrl: addressTypeUrl, node: ztunnelNode({ pod: 'zt-1' }) })
    const addresses = await client.next()
    client.send({ typeUrl: authorizationTypeUrl })
    const policies = await client.next()
    client.send({ typeUrl: addressTypeUrl, responseNonce: addresses.nonce ?? '' })
    const errorDetail = { code: 3, message: 'shop/x: no rule' }
    client.send({ typeUrl: authorizationTypeUrl, responseNonce: policies.nonce ?? '', errorDetail })
    client.send({ typeUrl: 'type.googleapis.com/third' })
    await client.next()

    using stream = openStatus(secure(), bearer(ztunnelToken))
    const { nonce, clients } = await shown(stream, { node: asking(), typeUrl, responseNonce: '2026-11-21 18:47' })
    const lastUpdated = expect.any(Number)
    expect(clients.find(({ node }) => node?.id === 'zt-1.istio-system')).toEqual({
      node: { id: 'zt-1.istio-system', metadata: { CLUSTER_ID: 'Kubernetes', NAMESPACE: 'istio-system' } },
      genericXdsConfigs: [
        {
          typeUrl: authorizationTypeUrl,
          lastUpdated,
          configStatus: 4,
          errorState: { lastUpdateAttempt: lastUpdated, details: 'shop/x: no rule' }
        },
        { typeUrl: addressTypeUrl, lastUpdated, configStatus: 1 },
        { typeUrl: 'type.googleapis.com/third', lastUpdated, configStatus: 3 }
      ]
    })
    expect(clients.some(({ node }) => node?.id?.startsWith('istioctl'))).toBe(false)
    stream.send({ typeUrl, responseNonce: nonce })
    // One more answer, and not two: the acknowledgement before it got none.
    await shown(stream, { typeUrl })
    expect(stream.waiting).toBe(0)
  })

  it('shows others than the mesh’s own the clients of their namespace', async () => {
    using client = openXds(secure(), bearer(ztunnelToken))
    client.send({ typeUrl: addressTypeUrl, node: ztunnelNode({ pod: 'zt-1' }) })
    await client.next()
    using stream = openStatus(secure(), bearer(cartToken))
    expect((await shown(stream, { node: asking('cart-0', 'shop'), typeUrl })).clients).toEqual([])
  })

  it.each([
    ['a caller that nobody vouches for', () => openStatus(secure()), typeUrl, status.UNAUTHENTICATED],
    [
      'the plaintext port',
      () => openStatus(connect(plane.plainPort, credentials.createInsecure())),
      typeUrl,
      status.UNAUTHENTICATED
    ],
    ['another type', () => openStatus(secure(), bearer(ztunnelToken)), addressTypeUrl, status.UNIMPLEMENTED]
  ])('refuses %s', async (_, open, typeUrl, code) => {
    using stream = open()
    stream.send({ node: asking(), typeUrl })
    await expect(stream.next()).rejects.toMatchObject({ code })
  })
})

it('a busy port fails the start, by name', async () => {
  const flags = [`--httpAddr=127.0.0.1:${plane.httpPort}`]
  await expect(startControlPlane({ beside: plane, arguments: flags })).rejects.toThrow(
    `cannot listen on 127.0.0.1:${plane.httpPort}`
  )
})

it('the mesh root is one certificate', () => {
  expect(parseCertificates(plane.root)).toHaveLength(1)
})
