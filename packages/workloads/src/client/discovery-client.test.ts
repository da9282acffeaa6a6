import { status } from '@grpc/grpc-js'
import { afterEach, describe, expect, it } from 'vitest'
import { type Clock, systemClock } from '@culvert/clock'
import { addressTypeUrl, authorizationTypeUrl, encodeDeltaResponse } from '../messages/discovery-codec.ts'
import type { DeltaDiscoveryRequest, ResourceMessage } from '../messages/discovery-messages.ts'
import { TunnelProtocol } from '../messages/enums.ts'
import { encodeAddress, encodeAuthorization } from '../messages/resource-codec.ts'
import type { AddressMessage } from '../messages/workload-messages.ts'
import { createPolicyStore, type PolicyStore } from '../state/policy-store.ts'
import { createWorkloadIndex, type WorkloadIndex } from '../state/workload-index.ts'
import { createDiscoveryClient, type DiscoveryClient, type DiscoveryClientOptions } from './discovery-client.ts'
import { startTestServer, type TestServer, type TestStream } from './discovery-server.test-helper.ts'
import { discoveryNode } from './node.ts'

const node = discoveryNode({ name: 'ztunnel-x', namespace: 'istio-system', nodeName: 'n1' })
const uid = 'c-east//Pod/shop/cart-1'
const cartName = 'shop/cart.shop.example'

const address = (name: string, message: AddressMessage, version = '1'): ResourceMessage => ({
  name,
  version,
  resource: { typeUrl: addressTypeUrl, value: encodeAddress(message) }
})
const podMessage = (fields: AddressMessage['workload'] = {}): AddressMessage => ({
  workload: {
    uid,
    name: 'cart-1',
    namespace: 'shop',
    addresses: [Buffer.from([10, 20, 0, 9])],
    tunnelProtocol: TunnelProtocol.HBONE,
    services: { [cartName]: { ports: [{ servicePort: 80, targetPort: 8080 }] } },
    ...fields
  }
})
const cartMessage = (fields: AddressMessage['service'] = {}): AddressMessage => ({
  service: {
    name: 'cart',
    namespace: 'shop',
    hostname: 'cart.shop.example',
    addresses: [{ address: Buffer.from([10, 96, 7, 3]) }],
    ports: [{ servicePort: 80, targetPort: 8080 }],
    ...fields
  }
})

/** Timers up to a limit run at once and are noted; longer ones (deadlines) never do. */
function instantClock(waits: number[] = []): Clock {
  return {
    ...systemClock,
    after(milliseconds, run) {
      if (milliseconds === 10_000 || milliseconds === 5000 || milliseconds === 30_000) return () => {}
      waits.push(milliseconds)
      const immediate = setImmediate(run)
      return () => clearImmediate(immediate)
    }
  }
}

interface Running {
  readonly client: DiscoveryClient
  readonly index: WorkloadIndex
  readonly policies: PolicyStore
  readonly warnings: string[]
  readonly terminations: string[]
}

const running: AbortController[] = []
afterEach(() => {
  for (const controller of running.splice(0)) controller.abort()
})

function startClient(
  server: Pick<TestServer, 'address' | 'roots'>,
  options: Partial<DiscoveryClientOptions> = {}
): Running {
  const index = createWorkloadIndex()
  const policies = createPolicyStore()
  const warnings: string[] = []
  const terminations: string[] = []
  const client = createDiscoveryClient({
    address: server.address,
    roots: async () => server.roots,
    clusterId: 'c-east',
    node,
    index,
    policies,
    clock: instantClock(),
    log: { debug() {}, info() {}, warn: message => warnings.push(message) },
    metrics: { connectionTerminated: reason => terminations.push(reason) },
    ...options
  })
  const controller = new AbortController()
  running.push(controller)
  client.start({ signal: controller.signal })
  return { client, index, policies, warnings, terminations }
}

/** Reads the two requests that open every stream. */
async function opening(stream: TestStream): Promise<[DeltaDiscoveryRequest, DeltaDiscoveryRequest]> {
  return [await stream.request(), await stream.request()]
}

async function isReady(client: DiscoveryClient): Promise<boolean> {
  return await Promise.race([
    client.ready.then(() => true),
    new Promise<false>(resolve => setImmediate(resolve, false))
  ])
}

describe('a stream', () => {
  it('[workload-xds-1] opens with Address and Authorization, before any response', async () => {
    await using server = await startTestServer()
    startClient(server)
    const requests = await opening(await server.accept())
    expect(requests).toEqual([
      { node, typeUrl: addressTypeUrl },
      { node, typeUrl: authorizationTypeUrl }
    ])
    expect(node).toEqual({
      id: 'ztunnel~1.1.1.1~ztunnel-x.istio-system~istio-system.svc.cluster.local',
      metadata: { NAME: 'ztunnel-x', NAMESPACE: 'istio-system', INSTANCE_IPS: '1.1.1.1', NODE_NAME: 'n1' }
    })
  })

  it('sends the token, the cluster and further headers, the token read anew each time', async () => {
    await using server = await startTestServer()
    let reads = 0
    startClient(server, { token: async () => `token-${++reads}`, headers: [['x-tenant', 'blue']] })
    for (const token of ['token-1', 'token-2']) {
      const stream = await server.accept()
      expect(stream.metadata.get('authorization')).toEqual([`Bearer ${token}`])
      expect(stream.metadata.get('clusterid')).toEqual(['c-east'])
      expect(stream.metadata.get('x-tenant')).toEqual(['blue'])
      stream.fail(status.UNAVAILABLE, 'transport is closing')
    }
  })

  it('sends neither token nor cluster without a token source', async () => {
    await using server = await startTestServer()
    startClient(server)
    const { metadata } = await server.accept()
    expect(metadata.get('authorization')).toEqual([])
    expect(metadata.get('clusterid')).toEqual([])
  })

  it('accepts the alternative hostname, and no other', async () => {
    await using server = await startTestServer({ hostname: 'istiod.example' })
    startClient(server, { alternativeHostname: 'istiod.example' })
    await opening(await server.accept())
    const { promise: terminated, resolve } = Promise.withResolvers<string>()
    startClient(server, { metrics: { connectionTerminated: resolve } })
    expect(await terminated).toBe('ConnectionError')
  })

  it.each(['http://localhost:15010', 'grpc://localhost', 'https://'])('refuses to be pointed at %s', wrong => {
    expect(() => startClient({ address: wrong, roots: '' })).toThrow(
      expect.objectContaining({ code: 'WORKLOADS_DISCOVERY_SETUP' })
    )
  })
})

describe('responses', () => {
  it('[workload-xds-3] a clean one is answered with its type and nonce alone', async () => {
    await using server = await startTestServer()
    const { index } = startClient(server)
    const stream = await server.accept()
    await opening(stream)
    const resources = [address(uid, podMessage()), address(cartName, cartMessage())]
    stream.send({ typeUrl: addressTypeUrl, nonce: 'n1', resources })
    expect(await stream.request()).toEqual({ typeUrl: addressTypeUrl, responseNonce: 'n1' })
    expect(index.serviceByVip('', '10.96.7.3')?.endpoints.get(uid)?.port.get(80)).toBe(8080)
  })

  it('[workload-xds-4] the good part of one holds, the rest is named in one NACK', async () => {
    await using server = await startTestServer()
    const { index, client } = startClient(server)
    const stream = await server.accept()
    await opening(stream)
    const resources = [
      address('bad/x', cartMessage({ waypoint: {} })),
      address(uid, podMessage()),
      { name: 'bad/empty' },
      { name: 'bad/bytes', resource: { value: Buffer.from('0aff', 'hex') } },
      { name: 'bad/nothing', resource: {} }
    ]
    stream.send({ typeUrl: addressTypeUrl, nonce: 'n1', resources })
    const { errorDetail, ...reply } = await stream.request()
    expect(reply).toEqual({ typeUrl: addressTypeUrl, responseNonce: 'n1' })
    expect(errorDetail?.code ?? 0).toBe(0)
    expect(errorDetail?.message).toMatch(
      /^bad\/x: waypoint has no destination; bad\/empty: the resource is empty; bad\/bytes: 2 bytes are not a istio.workload.Address: .*; bad\/nothing: an Address holds neither/
    )
    expect(index.workloadByIp('', '10.20.0.9')?.uid).toBe(uid)
    expect(index.serviceByVip('', '10.96.7.3')).toBeUndefined()
    expect(await isReady(client)).toBe(false)
  })

  it('one that is no Resource is named by its place, and its neighbours hold', async () => {
    await using server = await startTestServer()
    const { index } = startClient(server)
    const stream = await server.accept()
    await opening(stream)
    const resources = [address(uid, podMessage()), address(cartName, cartMessage())]
    const [good, other] = resources.map(resource => encodeDeltaResponse({ resources: [resource] }))
    // Field 2, one byte long: a tag that promises more.
    const bad = Buffer.from('120108', 'hex')
    const rest = encodeDeltaResponse({ typeUrl: addressTypeUrl, nonce: 'n1' })
    stream.sendBytes(Buffer.concat([good!, bad, other!, rest]))
    const { errorDetail } = await stream.request()
    expect(errorDetail?.message).toMatch(
      /^resource 2 of the response: 1 bytes are not a envoy.service.discovery.v3.Resource/
    )
    expect(index.serviceByVip('', '10.96.7.3')?.endpoints.has(uid)).toBe(true)
  })

  it('bytes that are no response end the connection, and the next one works', async () => {
    await using server = await startTestServer()
    const { terminations, index } = startClient(server)
    const stream = await server.accept()
    await opening(stream)
    stream.sendBytes(Buffer.from('12ff', 'hex'))
    const second = await server.accept()
    await opening(second)
    second.send({ typeUrl: addressTypeUrl, nonce: 'n1', resources: [address(uid, podMessage())] })
    await second.request()
    expect(terminations).toEqual(['Error'])
    expect(index.workload(uid)).toBeDefined()
  })

  it('names as many of the bad ones as a NACK of 16 kB holds', async () => {
    await using server = await startTestServer()
    startClient(server)
    const stream = await server.accept()
    await opening(stream)
    const resources = Array.from({ length: 1_000 }, (_, i) => ({ name: `bad/${i}` }))
    stream.send({ typeUrl: addressTypeUrl, nonce: 'n1', resources })
    const message = (await stream.request()).errorDetail?.message ?? ''
    expect(message).toHaveLength(16_384)
    expect(message).toContain('; bad/300: the resource is empty; ')
  })

  it('[workload-xds-8] a rejected update leaves what was there', async () => {
    await using server = await startTestServer()
    const { index } = startClient(server)
    const stream = await server.accept()
    await opening(stream)
    stream.send({ typeUrl: addressTypeUrl, nonce: 'n1', resources: [address(uid, podMessage())] })
    await stream.request()
    const legacy = podMessage({ tunnelProtocol: TunnelProtocol.LEGACY_ISTIO_MTLS })
    stream.send({ typeUrl: addressTypeUrl, nonce: 'n2', resources: [address(uid, legacy, '2')] })
    expect((await stream.request()).errorDetail?.message).toBe(`${uid}: unknown tunnel_protocol 2`)
    expect(index.workload(uid)?.protocol).toBe('HBONE')
  })

  it('[workload-xds-5] one of an unknown type is acknowledged', async () => {
    await using server = await startTestServer()
    const { index, warnings } = startClient(server)
    const stream = await server.accept()
    await opening(stream)
    stream.send({ typeUrl: 'type.example/other', nonce: 'n1', resources: [address(uid, podMessage())] })
    expect(await stream.request()).toEqual({ typeUrl: 'type.example/other', responseNonce: 'n1' })
    expect([...index.workloads()]).toEqual([])
    expect(warnings).toEqual(['response of an unknown type'])
  })

  it('[workload-xds-15] removals of unknown names are acknowledged', async () => {
    await using server = await startTestServer()
    const { index, warnings } = startClient(server)
    const stream = await server.accept()
    await opening(stream)
    stream.send({ typeUrl: addressTypeUrl, nonce: 'n1', resources: [address(uid, podMessage())] })
    await stream.request()
    const removedResources = ['c//Pod/shop/unknown', 'shop/unknown', 'noslash']
    stream.send({ typeUrl: addressTypeUrl, nonce: 'n2', removedResources })
    expect(await stream.request()).toEqual({ typeUrl: addressTypeUrl, responseNonce: 'n2' })
    expect([...index.workloads()].map(workload => workload.uid)).toEqual([uid])
    expect(warnings).toEqual(['removal of an unknown resource', 'removal of an unknown resource'])
  })

  it('keep their order, however long one takes', async () => {
    await using server = await startTestServer()
    const { index } = startClient(server)
    const stream = await server.accept()
    await opening(stream)
    const many = Array.from({ length: 1500 }, (_, i) =>
      address(`u${i}`, { workload: { uid: `u${i}`, addresses: [Buffer.from([10, 0, i >> 8, i & 255])] } })
    )
    stream.send({ typeUrl: addressTypeUrl, nonce: 'n1', resources: many })
    stream.send({ typeUrl: addressTypeUrl, nonce: 'n2', removedResources: many.map(({ name = '' }) => name) })
    expect((await stream.request()).responseNonce).toBe('n1')
    expect((await stream.request()).responseNonce).toBe('n2')
    expect([...index.workloads()]).toEqual([])
  })

  it('deliver policies, counted', async () => {
    await using server = await startTestServer()
    const messages: [string, number][] = []
    const { policies } = startClient(server, { metrics: { message: (...counted) => messages.push(counted) } })
    const stream = await server.accept()
    await opening(stream)
    const value = encodeAuthorization({ name: 'p', namespace: 'shop', scope: 1, action: 1 })
    const bad = encodeAuthorization({ name: 'q', namespace: 'shop', scope: 9 })
    stream.send({
      typeUrl: authorizationTypeUrl,
      nonce: 'n1',
      resources: [
        { name: 'shop/p', resource: { value } },
        { name: 'shop/q', resource: { value: bad } }
      ]
    })
    expect((await stream.request()).errorDetail?.message).toBe('shop/q: unknown scope 9')
    expect(policies.policy('shop/p')?.action).toBe('Deny')
    expect(messages).toEqual([[authorizationTypeUrl, value.length + bad.length]])
  })
})

describe('readiness', () => {
  it('[workload-xds-6] needs both types', async () => {
    await using server = await startTestServer()
    const { client } = startClient(server)
    const stream = await server.accept()
    await opening(stream)
    stream.send({ typeUrl: addressTypeUrl, nonce: 'n1' })
    await stream.request()
    expect(await isReady(client)).toBe(false)
    stream.send({ typeUrl: authorizationTypeUrl, nonce: 'n2' })
    await client.ready
  })

  it('[workload-xds-7] follows the first clean response, not a rejected one', async () => {
    await using server = await startTestServer()
    const { client } = startClient(server)
    const stream = await server.accept()
    await opening(stream)
    stream.send({ typeUrl: authorizationTypeUrl, nonce: 'n1' })
    stream.send({ typeUrl: addressTypeUrl, nonce: 'n2', resources: [{ name: 'bad' }] })
    await stream.request()
    await stream.request()
    expect(await isReady(client)).toBe(false)
    stream.send({ typeUrl: addressTypeUrl, nonce: 'n3' })
    await client.ready
  })
})

describe('on demand', () => {
  it('[workload-xds-2] subscribes to nothing, and is ready with the policies alone', async () => {
    await using server = await startTestServer()
    const { client } = startClient(server, { onDemand: true })
    const stream = await server.accept()
    expect(await opening(stream)).toEqual([
      { node, typeUrl: addressTypeUrl, resourceNamesSubscribe: ['*'], resourceNamesUnsubscribe: ['*'] },
      { node, typeUrl: authorizationTypeUrl }
    ])
    stream.send({ typeUrl: authorizationTypeUrl, nonce: 'n1' })
    await client.ready
  })

  it('wakes a demand when its data is in, be it under an alias', async () => {
    await using server = await startTestServer()
    const { client, index } = startClient(server, { onDemand: true })
    const stream = await server.accept()
    await opening(stream)
    const demands = [client.demand('/10.20.0.9'), client.demand('/10.20.0.9')]
    expect(await stream.request()).toEqual({ typeUrl: addressTypeUrl, resourceNamesSubscribe: ['/10.20.0.9'] })
    const resource = { ...address(uid, podMessage()), aliases: ['/10.20.0.9'] }
    stream.send({ typeUrl: addressTypeUrl, nonce: 'n1', resources: [resource] })
    await Promise.all(demands)
    expect(index.workloadByIp('', '10.20.0.9')?.uid).toBe(uid)
    await stream.request()
    expect(stream.pending()).toBe(0)
  })

  it('wakes a demand for what does not exist, and does not ask again at once', async () => {
    await using server = await startTestServer()
    const { client } = startClient(server, { onDemand: true })
    const stream = await server.accept()
    await opening(stream)
    const demand = client.demand('/10.9.9.9')
    await stream.request()
    stream.send({ typeUrl: addressTypeUrl, nonce: 'n1', removedResources: ['/10.9.9.9'] })
    await demand
    await stream.request()
    await client.demand('/10.9.9.9')
    expect(stream.pending()).toBe(0)
  })

  it('asks again on a new connection for what had no answer on the last', async () => {
    const after: Clock['after'] = (milliseconds, run) => {
      const timer = milliseconds <= 5000 ? setImmediate(run) : undefined
      return () => clearImmediate(timer)
    }
    await using server = await startTestServer()
    const { client } = startClient(server, { onDemand: true, clock: { ...systemClock, after } })
    const first = await server.accept()
    await opening(first)
    await client.demand('/10.9.9.9')
    await first.request()
    await client.demand('/10.9.9.9')
    expect(first.pending()).toBe(0)
    first.fail(status.UNAVAILABLE, 'transport is closing')
    const second = await server.accept()
    await opening(second)
    await client.demand('/10.9.9.9')
    expect(await second.request()).toEqual({ typeUrl: addressTypeUrl, resourceNamesSubscribe: ['/10.9.9.9'] })
  })

  it('lists what is unanswered on the next connection, without a version', async () => {
    await using server = await startTestServer()
    const { client } = startClient(server, { onDemand: true })
    const first = await server.accept()
    await opening(first)
    const demand = client.demand('shop/cart.shop.example')
    await first.request()
    first.fail(status.UNAVAILABLE, 'transport is closing')
    const second = await server.accept()
    const [request] = await opening(second)
    expect(request.initialResourceVersions).toEqual({ 'shop/cart.shop.example': '' })
    second.send({ typeUrl: addressTypeUrl, nonce: 'n1', resources: [address(cartName, cartMessage())] })
    await demand
  })

  it('bounds the wait', async () => {
    const after: Clock['after'] = (milliseconds, run) => {
      const timer = milliseconds === 5000 ? setImmediate(run) : undefined
      return () => clearImmediate(timer)
    }
    await using server = await startTestServer()
    const { client } = startClient(server, { onDemand: true, clock: { ...systemClock, after } })
    await opening(await server.accept())
    await client.demand('/10.9.9.9')
  })
})

describe('reconnecting', () => {
  it('keeps the state and says what it holds', async () => {
    await using server = await startTestServer()
    const { index } = startClient(server)
    const first = await server.accept()
    await opening(first)
    const resources = [
      address(uid, podMessage(), 'v1'),
      address(cartName, cartMessage(), 'v2'),
      address('c//Pod/shop/gone', { workload: { uid: 'c//Pod/shop/gone' } }, 'v3')
    ]
    first.send({ typeUrl: addressTypeUrl, nonce: 'n1', resources })
    first.send({
      typeUrl: addressTypeUrl,
      nonce: 'n2',
      resources: [
        address(uid, podMessage({ status: 9 }), 'v9'),
        address('new/bad', cartMessage({ waypoint: {} }), 'v4')
      ],
      removedResources: ['c//Pod/shop/gone']
    })
    first.send({ typeUrl: authorizationTypeUrl, nonce: 'n3', resources: [{ name: 'shop/p', resource: {} }] })
    for (let replies = 0; replies < 3; replies++) await first.request()
    first.fail(status.UNAVAILABLE, 'error reading from server: received prior goaway')

    const second = await server.accept()
    expect(await opening(second)).toEqual([
      { node, typeUrl: addressTypeUrl, initialResourceVersions: { [uid]: 'v1', [cartName]: 'v2' } },
      { node, typeUrl: authorizationTypeUrl, initialResourceVersions: { 'shop/p': '' } }
    ])
    expect(index.workload(uid)).toBeDefined()
    second.send({ typeUrl: addressTypeUrl, nonce: 'n4', removedResources: [uid] })
    expect(await second.request()).toEqual({ typeUrl: addressTypeUrl, responseNonce: 'n4' })
    expect(index.serviceByVip('', '10.96.7.3')?.endpoints.size).toBe(0)
  })

  it('lists no more than the server takes in one message, and drops what of the rest is not sent again', async () => {
    await using server = await startTestServer()
    const { index } = startClient(server)
    const first = await server.accept()
    await opening(first)
    const longName = (i: number): string => `c//Pod/${'n'.repeat(2_000)}/p${i}`
    const pod = (i: number): ResourceMessage => address(longName(i), { workload: { uid: longName(i) } }, `v${i}`)
    const all = Array.from({ length: 2_500 }, (_, i) => pod(i))
    first.send({ typeUrl: addressTypeUrl, nonce: 'n1', resources: all })
    await first.request()
    first.fail(status.UNAVAILABLE, 'transport is closing')

    const second = await server.accept()
    const [{ initialResourceVersions = {} }] = await opening(second)
    const listed = Object.keys(initialResourceVersions).length
    expect(initialResourceVersions[longName(0)]).toBe('v0')
    expect(listed).toBeGreaterThan(1_500)
    expect(listed).toBeLessThan(2_100)
    // Of those that were not listed all but the last are still there; of the listed the first is gone.
    const resources = all.slice(listed, -1)
    second.send({ typeUrl: addressTypeUrl, nonce: 'n2', resources, removedResources: [longName(0)] })
    await second.request()
    expect([...index.workloads()]).toHaveLength(2_498)
    expect(index.workload(longName(2_499))).toBeUndefined()
    second.send({ typeUrl: addressTypeUrl, nonce: 'n3', resources: [pod(0)] })
    await second.request()
    expect([...index.workloads()]).toHaveLength(2_499)
  })

  it('[workload-xds-19] waits longer and longer for a server that refuses, up to 15 s', async () => {
    await using server = await startTestServer({
      refuse: { code: status.UNAUTHENTICATED, details: 'authentication failure' }
    })
    const waits: number[] = []
    const { promise: enough, resolve } = Promise.withResolvers<void>()
    const terminations: string[] = []
    const connectionTerminated = (reason: string): void => {
      if (terminations.push(reason) === 12) resolve()
    }
    startClient(server, { clock: instantClock(waits), metrics: { connectionTerminated } })
    await enough
    expect(waits.slice(0, 11)).toEqual([20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240, 15000])
    expect(new Set(terminations)).toEqual(new Set(['ConnectionError']))
  })

  it('[workload-xds-19] waits likewise while nobody listens', async () => {
    const server = await startTestServer()
    await server[Symbol.asyncDispose]()
    const waits: number[] = []
    const { promise: enough, resolve } = Promise.withResolvers<void>()
    const connectionTerminated = (): void => {
      if (waits.length === 4) resolve()
    }
    startClient(server, { clock: instantClock(waits), metrics: { connectionTerminated } })
    await enough
    expect(waits.slice(0, 4)).toEqual([20, 40, 80, 160])
  })

  it('[workload-xds-19] starts over after a stream that the server closed on purpose', async () => {
    await using server = await startTestServer()
    const waits: number[] = []
    const { terminations } = startClient(server, { clock: instantClock(waits) })
    for (const details of ['transport is closing', 'other trouble', 'transport is closing', 'other trouble']) {
      const stream = await server.accept()
      await opening(stream)
      stream.send({ typeUrl: addressTypeUrl, nonce: 'n' })
      await stream.request()
      stream.fail(status.UNAVAILABLE, details)
    }
    await server.accept()
    expect(waits).toEqual([10, 20, 10, 20])
    expect(terminations).toEqual(['Reconnect', 'Error', 'Reconnect', 'Error'])
  })

  it('comes back at once after a stream that ended well', async () => {
    await using server = await startTestServer()
    const waits: number[] = []
    const { terminations } = startClient(server, { clock: instantClock(waits) })
    const stream = await server.accept()
    await opening(stream)
    stream.send({ typeUrl: addressTypeUrl, nonce: 'n' })
    await stream.request()
    stream.end()
    await opening(await server.accept())
    expect(waits).toEqual([])
    expect(terminations).toEqual(['Complete'])
  })

  it('comes back soon when the connection breaks under the stream', async () => {
    const server = await startTestServer()
    const waits: number[] = []
    const { promise: terminated, resolve } = Promise.withResolvers<string>()
    startClient(server, { clock: instantClock(waits), metrics: { connectionTerminated: resolve } })
    const stream = await server.accept()
    await opening(stream)
    stream.send({ typeUrl: addressTypeUrl, nonce: 'n' })
    await stream.request()
    await server[Symbol.asyncDispose]()
    expect(await terminated).toBe('Reconnect')
  })

  it('waits, and says why, when the roots cannot be read', async () => {
    await using server = await startTestServer()
    const waits: number[] = []
    const errors: string[] = []
    const { promise: enough, resolve } = Promise.withResolvers<void>()
    let failures = 0
    startClient(server, {
      clock: instantClock(waits),
      roots: async () => {
        if (++failures > 2) return server.roots
        throw new Error('no roots')
      },
      log: { debug() {}, info() {}, warn: (_message, fields) => errors.push(String(fields?.error)) }
    })
    server.accept().then(() => resolve())
    await enough
    expect(waits).toEqual([20, 40])
    expect(errors).toEqual(['no roots', 'no roots'])
  })

  it('ends with its signal', async () => {
    await using server = await startTestServer()
    const { terminations } = startClient(server)
    const stream = await server.accept()
    await opening(stream)
    stream.send({ typeUrl: addressTypeUrl, nonce: 'n' })
    await stream.request()
    for (const controller of running.splice(0)) controller.abort()
    await using other = await startTestServer()
    startClient(other)
    await other.accept()
    expect(terminations).toEqual([])
  })
})
