import { status } from '@grpc/grpc-js'
import { describe, expect, it } from 'vitest'
import { type Clock, systemClock } from '@culvert/clock'
import { addressTypeUrl, authorizationTypeUrl } from '../messages/discovery-codec.ts'
import {
  acceptOpened,
  address,
  cartMessage,
  cartName,
  node,
  opening,
  podMessage,
  startClient,
  uid
} from './discovery-client.test-helper.ts'
import { startTestServer } from './discovery-server.test-helper.ts'

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
    const stream = await acceptOpened(server)
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
    const stream = await acceptOpened(server)
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
    const first = await acceptOpened(server)
    await client.demand('/10.9.9.9')
    await first.request()
    await client.demand('/10.9.9.9')
    expect(first.pending()).toBe(0)
    first.fail(status.UNAVAILABLE, 'transport is closing')
    const second = await acceptOpened(server)
    await client.demand('/10.9.9.9')
    expect(await second.request()).toEqual({ typeUrl: addressTypeUrl, resourceNamesSubscribe: ['/10.9.9.9'] })
  })

  it('lists what is unanswered on the next connection, without a version', async () => {
    await using server = await startTestServer()
    const { client } = startClient(server, { onDemand: true })
    const first = await acceptOpened(server)
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
    await acceptOpened(server)
    await client.demand('/10.9.9.9')
  })
})
