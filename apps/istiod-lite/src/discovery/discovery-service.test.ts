import { Duplex } from 'node:stream'
import { createLog, parseScopeLevels } from '@culvert/telemetry'
import {
  addressTypeUrl,
  authorizationTypeUrl,
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse
} from '@culvert/workloads'
import { expect, it } from 'vitest'
import { ztunnelNode } from '../../test/grpc-client.ts'
import type { Caller } from '../authority/caller.ts'
import { systemClock } from '@culvert/clock'
import { createPublisher } from '../inventory/published.ts'
import { createDiscoveryService } from './discovery-service.ts'

const log = createLog({ style: 'go', json: false, filter: parseScopeLevels('none'), write: () => {} }).scope('ads')
const turn = () => new Promise<void>(resolve => setImmediate(resolve))

/** A stream as grpc-js hands it over, whose client may stop reading. */
class FakeCall extends Duplex {
  cancelled = false
  readonly sent: string[] = []
  reading = true
  #written = (): void => {}

  constructor() {
    super({ objectMode: true, highWaterMark: 1 })
  }
  override _read(): void {}
  override _write(response: DeltaDiscoveryResponse, _: string, done: () => void): void {
    this.sent.push(response.typeUrl ?? '')
    if (this.reading) done()
    else this.#written = done
  }
  read1(): void {
    this.#written()
  }
  getPeer(): string {
    return 'peer'
  }
  cancel(): void {
    this.cancelled = true
    this.emit('cancelled', 'cancelled')
  }
}

function start(authenticate?: () => Promise<Caller | undefined>) {
  const published = createPublisher()
  const events = { connected() {}, closed() {}, sent() {}, rejected() {}, expiredNonce() {} }
  const service = createDiscoveryService({
    published,
    synced: () => true,
    ambient: true,
    authenticate,
    pushesAtOnce: 1,
    connectionsPerSecond: 100,
    clock: systemClock,
    log,
    events,
    identifier: '{}',
    statusNamespaces: undefined
  })
  const open = () => {
    const call = new FakeCall()
    service.handler(authenticate !== undefined)(call as never)
    const ask = (request: DeltaDiscoveryRequest) => void call.push({ node: ztunnelNode(), ...request })
    return { call, ask }
  }
  return { service, published, open }
}

it('a client that leaves while its credentials are looked at leaves nothing behind', async () => {
  const review = Promise.withResolvers<Caller>()
  const { service, open } = start(() => review.promise)
  const { call, ask } = open()
  ask({ typeUrl: addressTypeUrl })
  await turn()
  call.cancel()
  review.resolve({ identities: [], namespace: 'istio-system', serviceAccount: 'ztunnel', pod: undefined })
  await turn()
  expect([service.connections.size, call.sent]).toEqual([0, []])
})

it('a client that leaves in the middle of a push makes room for the others', async () => {
  const { service, published, open } = start()
  const [leaving, staying] = [open(), open()]
  for (const { ask } of [leaving, staying]) {
    ask({ typeUrl: addressTypeUrl })
    ask({ typeUrl: authorizationTypeUrl })
  }
  await turn()
  leaving.call.reading = false
  published.publish('unit', [{ service: { namespace: 'shop', hostname: 'h' } }], [{ namespace: 'shop', name: 'p' }])
  service.push(published.takeChanges())
  await turn()
  expect([leaving.call.sent.length, staying.call.sent.length]).toEqual([3, 2])
  leaving.call.cancel()
  await turn()
  expect(staying.call.sent.length).toBe(4)
  expect(service.connections.size).toBe(1)
})

it('a client that does not read its answers is not given more of them', async () => {
  const { open } = start()
  const { call, ask } = open()
  call.reading = false
  for (const name of ['a', 'b', 'c', 'd']) ask({ typeUrl: addressTypeUrl, resourceNamesSubscribe: ['*', name] })
  await turn()
  await turn()
  expect(call.writableLength).toBe(1)
  for (let i = 0; i < 8; i++) {
    call.read1()
    await turn()
  }
  expect(call.sent).toHaveLength(4)
})
