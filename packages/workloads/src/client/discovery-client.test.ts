import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:tls'
import { status } from '@grpc/grpc-js'
import { describe, expect, it, onTestFinished } from 'vitest'
import { addressTypeUrl, authorizationTypeUrl } from '../messages/discovery-codec.ts'
import { acceptOpened, isReady, node, opening, startClient } from './discovery-client.test-helper.ts'
import { selfSigned, startTestServer } from './discovery-server.test-helper.ts'

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
    await acceptOpened(server)
    const { promise: terminated, resolve } = Promise.withResolvers<string>()
    startClient(server, { metrics: { connectionTerminated: resolve } })
    expect(await terminated).toBe('ConnectionError')
  })

  it.each([
    { tls12: false, outcome: 'ERR_SSL_UNSUPPORTED_PROTOCOL' },
    { tls12: true, outcome: 'TLSv1.2' }
  ])('meets a server of TLS 1.2 with tls12 $tls12: $outcome', async ({ tls12, outcome }) => {
    const { certificate, privateKey } = await selfSigned('localhost')
    const { promise: met, resolve } = Promise.withResolvers<string | undefined | null>()
    const server = createServer({ key: privateKey, cert: certificate, maxVersion: 'TLSv1.2', ALPNProtocols: ['h2'] })
      .on('secureConnection', socket => {
        resolve(socket.getProtocol())
        socket.destroy()
      })
      .on('tlsClientError', (error: NodeJS.ErrnoException) => resolve(error.code))
    await once(server.listen(0, '127.0.0.1'), 'listening')
    onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo
    startClient({ address: `https://localhost:${port}`, roots: certificate }, { tls12 })
    expect(await met).toBe(outcome)
  })

  it.each(['http://localhost:15010', 'grpc://localhost', 'https://'])('refuses to be pointed at %s', wrong => {
    expect(() => startClient({ address: wrong, roots: '' })).toThrow(
      expect.objectContaining({ code: 'WORKLOADS_DISCOVERY_SETUP' })
    )
  })
})

describe('readiness', () => {
  it('[workload-xds-6] needs both types', async () => {
    await using server = await startTestServer()
    const { client } = startClient(server)
    const stream = await acceptOpened(server)
    stream.send({ typeUrl: addressTypeUrl, nonce: 'n1' })
    await stream.request()
    expect(await isReady(client)).toBe(false)
    stream.send({ typeUrl: authorizationTypeUrl, nonce: 'n2' })
    await client.ready
  })

  it('[workload-xds-7] follows the first clean response, not a rejected one', async () => {
    await using server = await startTestServer()
    const { client } = startClient(server)
    const stream = await acceptOpened(server)
    stream.send({ typeUrl: authorizationTypeUrl, nonce: 'n1' })
    stream.send({ typeUrl: addressTypeUrl, nonce: 'n2', resources: [{ name: 'bad' }] })
    await stream.request()
    await stream.request()
    expect(await isReady(client)).toBe(false)
    stream.send({ typeUrl: addressTypeUrl, nonce: 'n3' })
    await client.ready
  })
})
