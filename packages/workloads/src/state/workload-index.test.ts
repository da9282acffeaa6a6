import { describe, expect, it } from 'vitest'
import { aService, ports, serviceUpdate, workloadUpdate } from '../testing/index.ts'
import { type AddressUpdate, createWorkloadIndex, type WorkloadIndex } from './workload-index.ts'

const pod = 'c//Pod/shop/cart-1'
const cart = { namespace: 'shop', hostname: 'cart.shop' }
const cartKey = 'shop/cart.shop'
const onCart = new Map([[cartKey, ports({ 80: 8080 })]])

function indexOf(...updates: readonly AddressUpdate[]): WorkloadIndex {
  const index = createWorkloadIndex()
  apply(index, ...updates)
  return index
}

const apply = (index: WorkloadIndex, ...updates: readonly AddressUpdate[]): void =>
  index.apply({ updates, removals: [] })

function remove(index: WorkloadIndex, ...removals: readonly string[]): string[] {
  const unknown: string[] = []
  index.apply({ updates: [], removals, unknown: name => unknown.push(name) })
  return unknown
}

const endpoints = (index: WorkloadIndex, host = cart): readonly string[] => [
  ...(index.service(host)?.endpoints.keys() ?? [])
]
const staged = (index: WorkloadIndex): readonly string[] => [...index.stagedEndpoints().keys()]

describe('endpoints', () => {
  it('[workload-xds-11] wait for their service', () => {
    const index = indexOf(workloadUpdate({ uid: pod, services: onCart }))
    expect(staged(index)).toEqual([cartKey])
    apply(index, serviceUpdate(cart))
    expect(endpoints(index)).toEqual([pod])
    expect(staged(index)).toEqual([])
  })

  it('say what balancing asks of them, also after a change, and only those whose workload is known', () => {
    const unknown = { workloadUid: 'c//Pod/shop/nobody', port: ports({ 80: 1 }), status: 'Healthy' } as const
    const service = serviceUpdate(cart) as Extract<AddressUpdate, { kind: 'service' }>
    const listed = { ...service.service, endpoints: new Map([[unknown.workloadUid, unknown]]) }
    const index = indexOf(
      { kind: 'service', service: listed },
      workloadUpdate({ uid: 'a', services: onCart, capacity: 2 ** 32 - 1 }),
      workloadUpdate({ uid: 'b', services: onCart, workloadIps: ['10.0.0.1'] }),
      workloadUpdate({ uid: 'c', services: onCart, hostname: 'c.example' })
    )
    const told = (): unknown[] =>
      [...index.endpointsOf(index.service(cart)!)].map(({ workload, capacity, isAddressed, port }) =>
        [workload.uid, capacity, isAddressed, port.get(80)].join(' ')
      )
    expect(told()).toEqual(['a 4294967295 false 8080', 'b 1 true 8080', 'c 1 true 8080'])
    apply(index, workloadUpdate({ uid: 'b', services: onCart, capacity: 7 }))
    remove(index, 'a')
    expect(told().toSorted()).toEqual(['b 7 false 8080', 'c 1 true 8080'])
    apply(index, workloadUpdate({ uid: unknown.workloadUid, workloadIps: ['10.0.0.2'] }))
    expect(told()).toContain(`${unknown.workloadUid} 1 true 1`)
  })

  it('come whatever the order in one response', () => {
    const updates = [workloadUpdate({ uid: pod, services: onCart }), serviceUpdate(cart)]
    expect(endpoints(indexOf(...updates))).toEqual([pod])
    expect(endpoints(indexOf(...updates.reverse()))).toEqual([pod])
    expect(staged(indexOf(...updates))).toEqual([])
  })

  it('[workload-xds-12] go when their workload no longer names the service', () => {
    const index = indexOf(serviceUpdate(cart), workloadUpdate({ uid: pod, services: onCart }))
    apply(index, workloadUpdate({ uid: pod }))
    expect(endpoints(index)).toEqual([])
    expect(index.workload(pod)).toBeDefined()
  })

  it('go with their workload, also while they wait', () => {
    const index = indexOf(serviceUpdate(cart), workloadUpdate({ uid: pod, services: onCart }))
    remove(index, pod)
    expect(endpoints(index)).toEqual([])
    const early = indexOf(workloadUpdate({ uid: pod, services: onCart }))
    remove(early, pod)
    expect(staged(early)).toEqual([])
  })

  it('follow the last version of a workload that is in one response twice', () => {
    const index = indexOf(
      serviceUpdate(cart),
      workloadUpdate({ uid: pod, services: onCart }),
      workloadUpdate({ uid: pod })
    )
    expect(endpoints(index)).toEqual([])
    apply(index, workloadUpdate({ uid: pod }), workloadUpdate({ uid: pod, services: onCart }))
    expect(endpoints(index)).toEqual([pod])
  })

  it('[workload-xds-14] of a removed service come back only with their workloads', () => {
    const index = indexOf(serviceUpdate(cart), workloadUpdate({ uid: pod, services: onCart }))
    remove(index, cartKey)
    apply(index, serviceUpdate(cart))
    expect(endpoints(index)).toEqual([])
    apply(index, workloadUpdate({ uid: pod, services: onCart }))
    expect(endpoints(index)).toEqual([pod])
  })

  it('that wait go with a service that is removed before it came', () => {
    const index = indexOf(workloadUpdate({ uid: pod, services: onCart }))
    index.apply({ updates: [serviceUpdate(cart)], removals: [cartKey] })
    expect(staged(index)).toEqual([])
    apply(index, serviceUpdate(cart))
    expect(endpoints(index)).toEqual([])
  })

  it('are dropped while unhealthy, not hidden', () => {
    const allowAll = { routingPreferences: [], mode: 'Standard', healthPolicy: 'AllowAll' } as const
    const sick = workloadUpdate({ uid: pod, services: onCart, status: 'Unhealthy' })
    const index = indexOf(serviceUpdate(cart), sick)
    expect(endpoints(index)).toEqual([])
    apply(index, serviceUpdate({ ...cart, loadBalancer: allowAll }))
    expect(endpoints(index)).toEqual([])
    apply(index, sick)
    expect(endpoints(index)).toEqual([pod])
    apply(index, serviceUpdate(cart))
    expect(endpoints(index)).toEqual([])
  })

  it('that turn unhealthy go', () => {
    const index = indexOf(serviceUpdate(cart), workloadUpdate({ uid: pod, services: onCart }))
    apply(index, workloadUpdate({ uid: pod, services: onCart, status: 'Unhealthy' }))
    expect(endpoints(index)).toEqual([])
  })

  it('stay as they are when unhealthy ones wait for a service', () => {
    const index = indexOf(workloadUpdate({ uid: pod, services: onCart, status: 'Unhealthy' }))
    apply(index, serviceUpdate(cart))
    expect(endpoints(index)).toEqual([])
  })

  it('[workload-xds-13] survive when their service loses an address', () => {
    const [a, b] = [
      { network: '', ip: '10.96.0.1' },
      { network: '', ip: '10.96.0.2' }
    ]
    const index = indexOf(serviceUpdate({ ...cart, vips: [a, b] }), workloadUpdate({ uid: pod, services: onCart }))
    apply(index, serviceUpdate({ ...cart, vips: [a] }))
    expect(index.serviceByVip('', a.ip)?.hostname).toBe('cart.shop')
    expect(index.serviceByVip('', b.ip)).toBeUndefined()
    expect(endpoints(index)).toEqual([pod])
  })
})

describe('removals', () => {
  it('[workload-xds-15] of unknown names change nothing', () => {
    const index = indexOf(serviceUpdate(cart), workloadUpdate({ uid: pod, services: onCart }))
    const names = ['c//Pod/shop/other', 'shop/other.shop', 'cart', 'shop/cart.shop/x']
    expect(remove(index, ...names)).toEqual(names)
    expect(endpoints(index)).toEqual([pod])
    expect([...index.workloads()]).toHaveLength(1)
  })

  it('leave no address behind', () => {
    const index = indexOf(
      workloadUpdate({ uid: pod, workloadIps: ['10.1.1.1', 'fd00::1'], hostname: 'h' }),
      serviceUpdate({
        ...cart,
        vips: [{ network: '', ip: '10.96.0.1' }],
        cidrVips: [{ network: '', ip: '10.97.0.0', prefixLength: 16 }]
      })
    )
    remove(index, pod, cartKey)
    expect(index.workloadByIp('', '10.1.1.1')).toBeUndefined()
    expect(index.workloadByIp('', 'fd00::1')).toBeUndefined()
    expect(index.workloadByHostname({ namespace: 'shop', hostname: 'h' })).toBeUndefined()
    expect(index.serviceByVip('', '10.96.0.1')).toBeUndefined()
    expect(index.serviceByVip('', '10.97.0.1')).toBeUndefined()
    expect(index.servicesByHostname('cart.shop')).toEqual([])
    expect(index.localWorkload({ name: 'cart-1', namespace: 'shop', serviceAccount: 'default' })).toBeUndefined()
    expect(index.hasLocalIdentity('shop', 'default')).toBe(false)
  })
})

describe('a response in steps', () => {
  const pods = (version: string): AddressUpdate[] =>
    [1, 2, 3].map(n => workloadUpdate({ uid: `c//Pod/shop/cart-${version}${n}`, services: onCart }))
  const uids = (version: string): string[] => [1, 2, 3].map(n => `c//Pod/shop/cart-${version}${n}`)

  it('never leaves a service without anybody while all its pods are replaced', () => {
    const index = indexOf(serviceUpdate(cart), ...pods('old'))
    const known: number[] = []
    for (const _step of index.applyInSteps({ updates: pods('new'), removals: uids('old') })) {
      known.push(endpoints(index).filter(uid => index.workload(uid) !== undefined).length)
    }
    expect(new Set(known)).toEqual(new Set([3]))
    expect([...endpoints(index)].sort()).toEqual(uids('new'))
    expect([...index.workloads()].map(({ uid }) => uid).sort()).toEqual(uids('new'))
  })

  it('shows services with all their endpoints or not at all, and all of them together', () => {
    const index = createWorkloadIndex()
    const others = ['a', 'b'].map(name =>
      serviceUpdate({ hostname: `${name}.shop`, vips: [{ network: '', ip: '10.9.0.1' }] })
    )
    const seen = new Set<string>()
    const updates = [serviceUpdate(cart), ...pods('new'), ...others]
    for (const _step of index.applyInSteps({ updates, removals: [] })) {
      const known = endpoints(index).filter(uid => index.workload(uid) !== undefined).length
      seen.add(`${[...index.services()].length} services, ${known} endpoints`)
    }
    expect([...seen]).toEqual(['0 services, 0 endpoints', '3 services, 3 endpoints'])
  })

  it('never leaves an address without a service while one takes the place of another', () => {
    const vip = { network: '', ip: '10.9.0.1' }
    const index = indexOf(serviceUpdate({ hostname: 'old.shop', vips: [vip] }))
    const seen: (string | undefined)[] = []
    const changes = { updates: [serviceUpdate({ hostname: 'new.shop', vips: [vip] })], removals: ['shop/old.shop'] }
    for (const _step of index.applyInSteps(changes)) seen.push(index.serviceByVip('', vip.ip)?.hostname)
    expect(new Set(seen)).toEqual(new Set(['old.shop', 'new.shop']))
    expect([...index.services()]).toHaveLength(1)
  })

  it('never leaves an address without a service while it moves from one to another of many', () => {
    const vip = { network: '', ip: '10.9.0.1' }
    const others = Array.from({ length: 2_000 }, (_, i) => serviceUpdate({ hostname: `other-${i}.shop` }))
    const [first, second] = [{ hostname: 'first.shop' }, { hostname: 'second.shop' }]
    const index = indexOf(serviceUpdate({ ...first, vips: [vip] }), ...others, serviceUpdate(second))
    const updates = [serviceUpdate(first), ...others, serviceUpdate({ ...second, vips: [vip] })]
    const seen = new Set<string | undefined>()
    for (const _step of index.applyInSteps({ updates, removals: [] })) {
      seen.add(index.serviceByVip('', vip.ip)?.hostname)
    }
    expect([...seen]).toEqual(['first.shop', 'second.shop'])
    expect([...index.services()]).toHaveLength(2_002)
  })

  it('changes a service that is sent again with its endpoints', () => {
    const index = indexOf(serviceUpdate(cart), ...pods('old'))
    const seen: string[] = []
    const updates = [serviceUpdate({ ...cart, ports: ports({ 81: 1 }) }), ...pods('new')]
    for (const _step of index.applyInSteps({ updates, removals: uids('old') })) {
      const service = index.service(cart)!
      seen.push(`${[...service.ports.keys()]}: ${[...service.endpoints.keys()].map(uid => uid.slice(-4, -1))}`)
    }
    expect([...new Set(seen)]).toEqual(['80: old,old,old', '81: new,new,new'])
  })

  it('tells listeners at its end', () => {
    const index = indexOf(...pods('old'))
    let told = 0
    index.watch({ localInserted: () => told++ })
    const oldOnes: number[] = []
    for (const _step of index.applyInSteps({ updates: pods('new'), removals: uids('old') })) {
      if (told > 0) oldOnes.push(uids('old').filter(uid => index.workload(uid) !== undefined).length)
    }
    expect(oldOnes).toEqual([0, 0, 0])
    expect(told).toBe(3)
  })

  it('removes once what it names twice', () => {
    const index = indexOf(...pods('old'))
    remove(index, ...uids('old'), ...uids('old'))
    expect([...index.workloads()]).toEqual([])
    expect(index.hasLocalIdentity('shop', 'default')).toBe(false)
    apply(index, ...pods('new'))
    expect(index.hasLocalIdentity('shop', 'default')).toBe(true)
  })
})

describe('workloads by address', () => {
  it('[workload-xds-16] host-network ones have none, but serve', () => {
    const index = indexOf(
      serviceUpdate(cart),
      workloadUpdate({ uid: pod, workloadIps: ['192.168.0.1'], networkMode: 'HostNetwork', services: onCart })
    )
    expect(index.workloadByIp('', '192.168.0.1')).toBeUndefined()
    expect(endpoints(index)).toEqual([pod])
  })

  it('are told apart by network', () => {
    const index = indexOf(workloadUpdate({ uid: pod, network: 'n1', workloadIps: ['10.1.1.1'] }))
    expect(index.workloadByIp('n1', '10.1.1.1')?.uid).toBe(pod)
    expect(index.workloadByIp('', '10.1.1.1')).toBeUndefined()
  })

  it.each([
    { title: 'a pod before a tunnel', first: ['e/x/Entry/a/b', 'HBONE'], second: [pod, 'TCP'], wins: pod },
    { title: 'a tunnel before plain TCP', first: [pod, 'HBONE'], second: ['c//Pod/shop/z', 'TCP'], wins: pod },
    { title: 'the newest of equals', first: ['c//Pod/shop/z', 'TCP'], second: [pod, 'TCP'], wins: pod }
  ] as const)('several on one: $title', ({ first, second, wins }) => {
    const index = createWorkloadIndex()
    for (const [uid, protocol] of [first, second])
      apply(index, workloadUpdate({ uid, protocol, workloadIps: ['10.1.1.1'] }))
    expect(index.workloadByIp('', '10.1.1.1')?.uid).toBe(wins)
    remove(index, wins)
    expect(index.workloadByIp('', '10.1.1.1')).toBeDefined()
  })

  it('lose the addresses that an update no longer has', () => {
    const index = indexOf(workloadUpdate({ uid: pod, workloadIps: ['10.1.1.1'] }))
    apply(index, workloadUpdate({ uid: pod, workloadIps: ['10.1.1.2'] }))
    expect(index.workloadByIp('', '10.1.1.1')).toBeUndefined()
    expect(index.workloadByIp('', '10.1.1.2')?.uid).toBe(pod)
  })
})

describe('services by address and hostname', () => {
  const vip = { network: '', ip: '10.96.0.1' }
  const on = (namespace: string, fields: Partial<Parameters<typeof serviceUpdate>[0]> = {}): AddressUpdate =>
    serviceUpdate({ hostname: 'h.example', namespace, vips: [vip], ...fields })

  it.each([
    { title: 'the first', updates: [on('a'), on('b')], client: 'c', namespace: 'a' },
    { title: 'a canonical one', updates: [on('a'), on('b', { canonical: true })], client: 'c', namespace: 'b' },
    { title: 'the own namespace', updates: [on('a', { canonical: true }), on('c')], client: 'c', namespace: 'c' },
    {
      title: 'not a hidden one',
      updates: [on('a', { visibility: 'Namespace' }), on('b')],
      client: 'c',
      namespace: 'b'
    },
    {
      title: 'a hidden one of the own',
      updates: [on('a'), on('c', { visibility: 'Namespace' })],
      client: 'c',
      namespace: 'c'
    },
    { title: 'nobody', updates: [on('a', { visibility: 'Namespace' })], client: 'c', namespace: undefined },
    { title: 'anyone', updates: [on('a', { visibility: 'Namespace' })], client: undefined, namespace: 'a' },
    { title: 'the first again after a resend', updates: [on('a'), on('b'), on('a')], client: 'c', namespace: 'b' }
  ])('gives $title', ({ updates, client, namespace }) => {
    const index = indexOf(...updates)
    expect(index.serviceByVip('', vip.ip, client)?.namespace).toBe(namespace)
    expect(index.serviceByHostname('h.example', client)?.namespace).toBe(namespace)
  })

  it('keeps arrival order, resent ones last', () => {
    const index = indexOf(on('a'), on('b'), on('a'))
    expect(index.servicesByHostname('h.example').map(({ namespace }) => namespace)).toEqual(['b', 'a'])
  })

  it('keeps two services of one namespace on one address apart', () => {
    const index = indexOf(
      serviceUpdate({ hostname: 'one', vips: [vip] }),
      serviceUpdate({ hostname: 'two', vips: [vip] })
    )
    remove(index, 'shop/two')
    expect(index.serviceByVip('', vip.ip, 'shop')?.hostname).toBe('one')
  })

  const wide = { network: '', ip: '10.99.7.7', prefixLength: 16 }
  const narrow = { network: '', ip: '10.99.1.0', prefixLength: 24 }
  const prefixed = (namespace: string, cidr: typeof wide, canonical = false): AddressUpdate =>
    serviceUpdate({ hostname: `${namespace}.example`, namespace, cidrVips: [cidr], canonical })

  it.each([
    { title: 'the longest', updates: [prefixed('a', wide), prefixed('b', narrow)], ip: '10.99.1.9', namespace: 'b' },
    { title: 'what holds it', updates: [prefixed('a', wide), prefixed('b', narrow)], ip: '10.99.2.9', namespace: 'a' },
    { title: 'nothing', updates: [prefixed('a', wide)], ip: '10.98.0.1', namespace: undefined },
    {
      title: 'nothing of IPv6',
      updates: [prefixed('a', { ...wide, prefixLength: 0 })],
      ip: 'fd00::1',
      namespace: undefined
    },
    {
      title: 'the own namespace first',
      updates: [prefixed('c', wide), prefixed('b', narrow)],
      ip: '10.99.1.9',
      namespace: 'c'
    },
    {
      title: 'a canonical one',
      updates: [prefixed('a', wide), prefixed('b', wide, true)],
      ip: '10.99.1.9',
      namespace: 'b'
    },
    {
      title: 'an exact address first',
      updates: [prefixed('c', narrow), on('b', { vips: [{ network: '', ip: '10.99.1.9' }] })],
      ip: '10.99.1.9',
      namespace: 'b'
    }
  ])('of prefixes $title', ({ updates, ip, namespace }) => {
    expect(indexOf(...updates).serviceByVip('', ip, 'c')?.namespace).toBe(namespace)
  })

  it('keeps one prefix per service however often endpoints change', () => {
    const index = indexOf(serviceUpdate({ ...cart, cidrVips: [wide] }))
    for (const status of ['Healthy', 'Unhealthy', 'Healthy'] as const) {
      apply(index, workloadUpdate({ uid: pod, services: onCart, status }))
    }
    expect(index.serviceByVip('', '10.99.1.1')?.endpoints.size).toBe(1)
    remove(index, cartKey)
    expect(index.serviceByVip('', '10.99.1.1')).toBeUndefined()
  })
})

describe('the local workload', () => {
  const identity = { name: 'cart-1', namespace: 'shop', serviceAccount: 'default' }

  it('is of this node and matches in all three', () => {
    const index = createWorkloadIndex({ localNode: 'node-1' })
    apply(index, workloadUpdate({ uid: pod }), workloadUpdate({ uid: 'c//Pod/shop/far', node: 'node-2' }))
    expect(index.localWorkload(identity)?.uid).toBe(pod)
    expect(index.localWorkload({ ...identity, serviceAccount: 'other' })).toBeUndefined()
    expect(index.localWorkload({ ...identity, namespace: 'other' })).toBeUndefined()
    expect(index.localWorkload({ ...identity, name: 'far' })).toBeUndefined()
  })

  it('tells when the last one of an account is gone, after the whole response', () => {
    const index = createWorkloadIndex({ localNode: 'node-1' })
    const gone: string[] = []
    const stop = index.watch({
      localIdentityGone: ({ namespace, serviceAccount }) => gone.push(`${namespace}/${serviceAccount}`)
    })
    const [one, other] = ['c//Pod/shop/one', 'c//Pod/shop/other']
    apply(
      index,
      workloadUpdate({ uid: one }),
      workloadUpdate({ uid: other }),
      workloadUpdate({ uid: 'far', node: 'x', serviceAccount: 'y' })
    )
    remove(index, one, 'far')
    apply(index, workloadUpdate({ uid: other, status: 'Unhealthy' }))
    expect(gone).toEqual([])
    apply(index, workloadUpdate({ uid: other, serviceAccount: 'new' }))
    expect(gone).toEqual(['shop/default'])
    remove(index, other)
    expect(gone).toEqual(['shop/default', 'shop/new'])
    stop()
    apply(index, workloadUpdate({ uid: one }))
    remove(index, one)
    expect(gone).toHaveLength(2)
  })

  it('announces insertions when their services are in place', () => {
    const index = indexOf()
    const seen: (readonly string[])[] = []
    index.watch({ localInserted: () => seen.push(endpoints(index)) })
    apply(index, workloadUpdate({ uid: pod, services: onCart }), serviceUpdate(cart))
    expect(seen).toEqual([[pod]])
  })
})

it('takes endpoints that come with a service, as in a local file', () => {
  const endpoint = { workloadUid: 'u', port: ports({ 80: 1 }), status: 'Healthy' } as const
  const index = createWorkloadIndex()
  apply(index, { kind: 'service', service: { ...aService(cart), endpoints: new Map([['u', endpoint]]) } })
  expect(endpoints(index)).toEqual(['u'])
  expect(index.workload('u')).toBeUndefined()
})
