import { describe, expect, it } from 'vitest'
import { addressTypeUrl, authorizationTypeUrl, encodeDeltaResponse } from '../messages/discovery-codec.ts'
import { TunnelProtocol } from '../messages/enums.ts'
import { encodeAuthorization } from '../messages/resource-codec.ts'
import {
  acceptOpened,
  address,
  cartMessage,
  cartName,
  isReady,
  podMessage,
  startClient,
  uid
} from './discovery-client.test-helper.ts'
import { startTestServer } from './discovery-server.test-helper.ts'

describe('responses', () => {
  it('[workload-xds-3] a clean one is answered with its type and nonce alone', async () => {
    await using server = await startTestServer()
    const { index } = startClient(server)
    const stream = await acceptOpened(server)
    const resources = [address(uid, podMessage()), address(cartName, cartMessage())]
    stream.send({ typeUrl: addressTypeUrl, nonce: 'n1', resources })
    expect(await stream.request()).toEqual({ typeUrl: addressTypeUrl, responseNonce: 'n1' })
    expect(index.serviceByVip('', '10.96.7.3')?.endpoints.get(uid)?.port.get(80)).toBe(8080)
  })

  it('[workload-xds-4] the good part of one holds, the rest is named in one NACK', async () => {
    await using server = await startTestServer()
    const { index, client } = startClient(server)
    const stream = await acceptOpened(server)
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
    const stream = await acceptOpened(server)
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
    const stream = await acceptOpened(server)
    stream.sendBytes(Buffer.from('12ff', 'hex'))
    const second = await acceptOpened(server)
    second.send({ typeUrl: addressTypeUrl, nonce: 'n1', resources: [address(uid, podMessage())] })
    await second.request()
    expect(terminations).toEqual(['Error'])
    expect(index.workload(uid)).toBeDefined()
  })

  it('names as many of the bad ones as a NACK of 16 kB holds', async () => {
    await using server = await startTestServer()
    startClient(server)
    const stream = await acceptOpened(server)
    const resources = Array.from({ length: 1_000 }, (_, i) => ({ name: `bad/${i}` }))
    stream.send({ typeUrl: addressTypeUrl, nonce: 'n1', resources })
    const message = (await stream.request()).errorDetail?.message ?? ''
    expect(message).toHaveLength(16_384)
    expect(message).toContain('; bad/300: the resource is empty; ')
  })

  it('[workload-xds-8] a rejected update leaves what was there', async () => {
    await using server = await startTestServer()
    const { index } = startClient(server)
    const stream = await acceptOpened(server)
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
    const stream = await acceptOpened(server)
    stream.send({ typeUrl: 'type.example/other', nonce: 'n1', resources: [address(uid, podMessage())] })
    expect(await stream.request()).toEqual({ typeUrl: 'type.example/other', responseNonce: 'n1' })
    expect([...index.workloads()]).toEqual([])
    expect(warnings).toEqual(['response of an unknown type'])
  })

  it('[workload-xds-15] removals of unknown names are acknowledged', async () => {
    await using server = await startTestServer()
    const { index, warnings } = startClient(server)
    const stream = await acceptOpened(server)
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
    const stream = await acceptOpened(server)
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
    const stream = await acceptOpened(server)
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
