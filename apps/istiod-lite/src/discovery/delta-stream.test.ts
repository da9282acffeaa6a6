import {
  addressTypeUrl,
  authorizationTypeUrl,
  type DeltaDiscoveryRequest,
  type ServiceMessage,
  type WorkloadMessage
} from '@culvert/workloads'
import { beforeEach, describe, expect, it } from 'vitest'
import { createPublisher, type Publisher } from '../inventory/published.ts'
import { ipBytes } from '../resources/ip-address.ts'
import { createDeltaStream, type DeltaStream, type RequestOutcome } from './delta-stream.ts'

let published: Publisher
let stream: DeltaStream
let count = 0

const workload = (
  name: string,
  o: { ip?: string; node?: string; services?: string[]; status?: number } = {}
): { workload: WorkloadMessage } => ({
  workload: {
    uid: `k//Pod/shop/${name}`,
    name,
    namespace: 'shop',
    addresses: [ipBytes(o.ip ?? '10.0.0.1')!],
    node: o.node ?? 'n1',
    status: o.status ?? 0,
    services: Object.fromEntries((o.services ?? []).map(key => [key, { ports: [] }]))
  }
})
const service = (name: string, ip = '10.96.0.1', o: ServiceMessage = {}): { service: ServiceMessage } => ({
  service: { name, namespace: 'shop', hostname: `${name}.x`, addresses: [{ network: '', address: ipBytes(ip)! }], ...o }
})
const publish = (...messages: ReturnType<typeof workload | typeof service>[]) => {
  for (const message of messages) {
    const name = 'workload' in message ? message.workload.uid : message.service.hostname
    published.publish(`unit ${name}`, [message], [])
  }
}
const withdraw = (name: string) => published.publish(`unit ${name}`, [], [])
const policy = (name: string, dryRun = false) =>
  published.publish(`policy ${name}`, [], [{ name, namespace: 'shop', dryRun }])
const unpolicy = (name: string) => published.publish(`policy ${name}`, [], [])

function ask(request: DeltaDiscoveryRequest) {
  return shape(stream.request({ typeUrl: addressTypeUrl, ...request }))
}
function shape(outcome: RequestOutcome) {
  if (outcome.kind !== 'response') return outcome.kind
  const { resources = [], removedResources = [], nonce = '' } = outcome.response
  return { names: resources.map(({ name }) => name).sort(), removed: [...removedResources].sort(), nonce, resources }
}
function response(request: DeltaDiscoveryRequest) {
  const answer = ask(request)
  if (typeof answer === 'string') throw new Error(`expected a response, got ${answer}`)
  return answer
}
const push = () =>
  stream.push(published.takeChanges()).map(({ typeUrl = '', resources = [], removedResources = [] }) => ({
    type: typeUrl.split('.').at(-1),
    names: resources.map(({ name }) => name).sort(),
    removed: [...removedResources].sort()
  }))

beforeEach(() => {
  published = createPublisher()
  stream = createDeltaStream({ published, node: 'n1', now: () => 0, nonce: () => `nonce-${++count}` })
})

describe('a wildcard stream', () => {
  it('[workload-xds-21] gets one empty response with a nonce of an empty mesh, and silence after its ACK', () => {
    const first = response({})
    expect(first).toMatchObject({ names: [], removed: [], nonce: expect.stringMatching(/./) })
    expect(ask({ responseNonce: first.nonce })).toBe('ack')
    expect(push()).toEqual([])
  })

  it('gets everything, versions and all, without aliases', () => {
    publish(workload('a'), service('cart'))
    const { names, resources } = response({})
    expect(names).toEqual(['k//Pod/shop/a', 'shop/cart.x'])
    for (const { version, aliases } of resources) {
      expect(version).toMatch(/^[0-9a-f]{1,16}$/)
      expect(aliases).toBeUndefined()
    }
  })

  it('coming back, gets what differs and the removals of what is gone', () => {
    publish(workload('a'), workload('b', { ip: '10.0.0.2' }))
    const { resources } = response({})
    const held = Object.fromEntries(resources.map(({ name = '', version = '' }) => [name, version]))
    publish(workload('b', { ip: '10.0.0.3' }), workload('c', { ip: '10.0.0.4' }))
    withdraw('k//Pod/shop/a')
    stream = createDeltaStream({ published, node: 'n1', now: () => 0, nonce: () => 'n' })
    expect(response({ initialResourceVersions: { ...held, 'no/such': '1', rejected: '' } })).toMatchObject({
      names: ['k//Pod/shop/b', 'k//Pod/shop/c'],
      removed: ['k//Pod/shop/a', 'no/such', 'rejected']
    })
  })

  it('[workload-xds-22] a NACK and an old nonce are answered with nothing', () => {
    publish(workload('a'))
    const first = response({})
    expect(ask({ responseNonce: first.nonce, errorDetail: { code: 0, message: 'bad' } })).toBe('nack')
    publish(workload('a', { status: 1 }))
    stream.push(published.takeChanges())
    expect(ask({ responseNonce: first.nonce })).toBe('stale')
    expect(ask({ responseNonce: 'made-up', resourceNamesSubscribe: ['x'] })).toBe('stale')
    expect(stream.subscriptions.get(addressTypeUrl)?.lastError).toBe('bad')
  })

  it('an empty nonce without names says nothing new; a name means a full dump', () => {
    publish(workload('a'), workload('b', { ip: '10.0.0.2' }))
    response({})
    expect(ask({})).toBe('ignored')
    expect(response({ resourceNamesSubscribe: ['k//Pod/shop/a'] }).names).toEqual(['k//Pod/shop/a', 'k//Pod/shop/b'])
  })

  it('is pushed changed names, a changed Service with all its workloads, and removals', () => {
    publish(workload('a', { services: ['shop/cart.x'] }), workload('b', { ip: '10.0.0.2' }), service('cart'))
    published.takeChanges()
    response({})
    publish(service('cart', '10.96.0.2'))
    expect(push()).toEqual([{ type: 'Address', names: ['k//Pod/shop/a', 'shop/cart.x'], removed: [] }])
    withdraw('k//Pod/shop/b')
    expect(push()).toEqual([{ type: 'Address', names: [], removed: ['k//Pod/shop/b'] }])
  })

  it('reads what is current when it writes: created and deleted is one removal, deleted and created one update', () => {
    response({})
    publish(workload('a'))
    withdraw('k//Pod/shop/a')
    expect(push()).toEqual([{ type: 'Address', names: [], removed: ['k//Pod/shop/a'] }])
    publish(workload('a'))
    push()
    withdraw('k//Pod/shop/a')
    publish(workload('a'))
    expect(push()).toEqual([{ type: 'Address', names: ['k//Pod/shop/a'], removed: [] }])
  })

  it('is pushed Address before Authorization, and only types it asked for', () => {
    publish(workload('a'))
    policy('p')
    expect(push()).toEqual([])
    stream.request({ typeUrl: authorizationTypeUrl })
    response({})
    publish(workload('a', { status: 1 }))
    policy('p', true)
    expect(push().map(({ type }) => type)).toEqual(['Address', 'Authorization'])
    policy('p')
    expect(push()).toEqual([{ type: 'Authorization', names: ['shop/p'], removed: [] }])
  })
})

describe('policies', () => {
  it('come without a version, so all of them on every first request; gone ones are removed', () => {
    policy('p')
    policy('q')
    const initialResourceVersions = { 'shop/p': '', 'shop/gone': '' }
    const outcome = shape(stream.request({ typeUrl: authorizationTypeUrl, initialResourceVersions }))
    expect(outcome).toMatchObject({ names: ['shop/p', 'shop/q'], removed: ['shop/gone'] })
    if (typeof outcome !== 'string') expect(outcome.resources.every(({ version }) => !version)).toBe(true)
    published.takeChanges()
    unpolicy('q')
    expect(push()).toEqual([{ type: 'Authorization', names: [], removed: ['shop/q'] }])
  })
})

describe('an on-demand stream', () => {
  const nothing = { resourceNamesSubscribe: ['*'], resourceNamesUnsubscribe: ['*'] }

  it('starts with the workloads of its node alone', () => {
    publish(workload('a'), workload('b', { ip: '10.0.0.2', node: 'n2' }), service('cart'))
    expect(response(nothing)).toMatchObject({ names: ['k//Pod/shop/a'], removed: [] })
  })

  it.each([
    ['a uid', 'k//Pod/shop/b', ['k//Pod/shop/b']],
    ['an address', '/10.0.0.2', ['k//Pod/shop/b']],
    ['a VIP, with the workloads behind it', '/10.96.0.1', ['k//Pod/shop/b', 'shop/cart.x']],
    ['a hostname, likewise', 'shop/cart.x', ['k//Pod/shop/b', 'shop/cart.x']]
  ])('is answered for %s, aliases included', (_, key, expected) => {
    publish(workload('b', { ip: '10.0.0.2', node: 'n2', services: ['shop/cart.x'] }), service('cart'))
    response(nothing)
    const answer = response({ resourceNamesSubscribe: [key] })
    expect(answer).toMatchObject({ names: expected, removed: [] })
    expect(answer.resources.find(({ name }) => name === 'k//Pod/shop/b')?.aliases).toEqual(['/10.0.0.2'])
  })

  it('[workload-xds-30] an unknown address is said not to exist, every time it is asked for', () => {
    response(nothing)
    for (let i = 0; i < 2; i++) {
      expect(response({ resourceNamesSubscribe: ['/10.9.9.9'] })).toMatchObject({ names: [], removed: ['/10.9.9.9'] })
    }
  })

  it('prefers the workload where a workload and a VIP share an address', () => {
    publish(workload('b', { ip: '10.96.0.1', node: 'n2' }), service('cart'))
    response(nothing)
    expect(response({ resourceNamesSubscribe: ['/10.96.0.1'] }).names).toEqual(['k//Pod/shop/b'])
  })

  it('is pushed what it holds, workloads of services it holds, and new ones of its node', () => {
    publish(
      service('cart'),
      workload('b', { ip: '10.0.0.2', node: 'n2' }),
      workload('z', { ip: '10.0.0.3', node: 'n2' })
    )
    published.takeChanges()
    response(nothing)
    response({ resourceNamesSubscribe: ['shop/cart.x'] })
    publish(
      workload('b', { ip: '10.0.0.2', node: 'n2', services: ['shop/cart.x'] }),
      workload('z', { ip: '10.0.0.3', node: 'n2', status: 1 }),
      workload('local', { ip: '10.0.0.4' })
    )
    expect(push()).toEqual([{ type: 'Address', names: ['k//Pod/shop/b', 'k//Pod/shop/local'], removed: [] }])
    withdraw('k//Pod/shop/b')
    withdraw('k//Pod/shop/z')
    expect(push()).toEqual([{ type: 'Address', names: [], removed: ['k//Pod/shop/b'] }])
  })

  it('coming back, asks for what it held', () => {
    publish(workload('b', { ip: '10.0.0.2', node: 'n2' }))
    const request = { ...nothing, initialResourceVersions: { 'k//Pod/shop/b': 'old', '/10.9.9.9': '' } }
    expect(response(request)).toMatchObject({ names: ['k//Pod/shop/b'], removed: ['/10.9.9.9'] })
  })
})

it('a type that nobody knows gets one empty response, and made-up types do not pile up', () => {
  expect(shape(stream.request({ typeUrl: 'x' }))).toMatchObject({ names: [], removed: [] })
  for (let i = 0; i < 100; i++) stream.request({ typeUrl: `made-up-${i}` })
  expect(stream.subscriptions.size).toBeLessThanOrEqual(32)
})
