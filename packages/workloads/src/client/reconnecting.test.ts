import { status } from '@grpc/grpc-js'
import { describe, expect, it } from 'vitest'
import { addressTypeUrl, authorizationTypeUrl } from '../messages/discovery-codec.ts'
import type { ResourceMessage } from '../messages/discovery-messages.ts'
import {
  acceptOpened,
  address,
  cartMessage,
  cartName,
  instantClock,
  node,
  opening,
  podMessage,
  startClient,
  uid
} from './discovery-client.test-helper.ts'
import { startTestServer } from './discovery-server.test-helper.ts'

describe('reconnecting', () => {
  it('keeps the state and says what it holds', async () => {
    await using server = await startTestServer()
    const { index } = startClient(server)
    const first = await acceptOpened(server)
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
    const first = await acceptOpened(server)
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
      const stream = await acceptOpened(server)
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
    const stream = await acceptOpened(server)
    stream.send({ typeUrl: addressTypeUrl, nonce: 'n' })
    await stream.request()
    stream.end()
    await acceptOpened(server)
    expect(waits).toEqual([])
    expect(terminations).toEqual(['Complete'])
  })

  it('comes back soon when the connection breaks under the stream', async () => {
    const server = await startTestServer()
    const { promise: terminated, resolve } = Promise.withResolvers<string>()
    startClient(server, { metrics: { connectionTerminated: resolve } })
    const stream = await acceptOpened(server)
    stream.send({ typeUrl: addressTypeUrl, nonce: 'n' })
    await stream.request()
    await server[Symbol.asyncDispose]()
    expect(await terminated).toBe('Reconnect')
  })

  it('waits, and says why, when the roots cannot be read', async () => {
    await using server = await startTestServer()
    const waits: number[] = []
    const errors: string[] = []
    let failures = 0
    startClient(server, {
      clock: instantClock(waits),
      roots: async () => {
        if (++failures > 3) return server.roots
        if (failures === 3) return '-----BEGIN CERTIFICATE-----\ncut short'
        throw new Error('no roots')
      },
      log: { debug() {}, warn: (_message, fields) => errors.push(String(fields?.error)) }
    })
    await server.accept()
    expect(waits).toEqual([20, 40, 80])
    expect(errors).toEqual([
      'no roots',
      'no roots',
      expect.stringMatching(/^the XDS roots hold no certificate that can be read/)
    ])
  })

  it('ends with its signal', async () => {
    await using server = await startTestServer()
    const { terminations, stop } = startClient(server)
    const stream = await acceptOpened(server)
    stream.send({ typeUrl: addressTypeUrl, nonce: 'n' })
    await stream.request()
    stop()
    await using other = await startTestServer()
    startClient(other)
    await other.accept()
    expect(terminations).toEqual([])
  })
})
