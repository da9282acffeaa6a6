import type { V1EndpointSlice } from '@culvert/kubernetes'
import { describe, expect, it } from 'vitest'
import { cart, harness, pod, service } from './inventory.test-helper.ts'

describe('endpoints that Kubernetes does not select', () => {
  const slice = (endpoint: object): V1EndpointSlice => ({
    addressType: 'IPv4',
    metadata: { name: 'cart-x', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'cart' } },
    endpoints: [endpoint as never],
    ports: [{ name: '', port: 8080 }]
  })
  const toPod = (uid: string) =>
    slice({ addresses: ['10.0.0.1'], targetRef: { kind: 'Pod', name: 'a', namespace: 'shop', uid } })

  it('[workload-xds-28] a slice’s pod gains the selector-less Service by name and uid, not by address', () => {
    const h = harness()
      .put('pod', pod('a', { uid: 'u1' }))
      .put('service', service('cart', { selector: undefined }))
    h.changes()
    expect(h.put('endpointSlice', toPod('other')).changes()).toEqual([])
    expect(h.put('endpointSlice', toPod('u1')).changes()).toEqual(['k//Pod/shop/a'])
    expect(h.workload('a')?.services).toEqual({ [cart]: { ports: [{ servicePort: 80, targetPort: 8080 }] } })
  })

  it('[workload-xds-28] other endpoints are workloads as long as the Service is known', () => {
    const uid = 'k/discovery.k8s.io/EndpointSlice/shop/cart-x/10.9.9.9'
    const h = harness().put('endpointSlice', slice({ addresses: ['10.9.9.9'] }))
    expect(h.changes()).toEqual([])
    expect(h.put('service', service('cart', { selector: undefined })).changes()).toEqual([uid, cart])
    expect(h.remove('service', service('cart', { selector: undefined })).changes()).toEqual([uid, cart])
  })
})

describe('ServiceEntry and WorkloadEntry', () => {
  const entry = (name: string, spec: object, created = '2026-01-01T00:00:00Z', ns = 'shop') => ({
    metadata: { name, namespace: ns, creationTimestamp: created },
    spec: {
      hosts: ['db.example'],
      resolution: 'STATIC' as const,
      ports: [{ number: 3306, name: 'tcp', protocol: 'TCP' }],
      ...spec
    }
  })

  it('publishes a service per host, its endpoints, and the entries and pods that it selects', () => {
    const h = harness()
      .put(
        'serviceEntry',
        entry('db', { addresses: ['240.0.0.1', '240.1.2.3/16'], workloadSelector: { labels: { app: 'db' } } })
      )
      .put('workloadEntry', {
        metadata: { name: 'vm', namespace: 'shop', labels: { app: 'db' } },
        spec: { address: '192.168.0.1', weight: 3 }
      })
      .put('pod', pod('a', { labels: { app: 'db' } }))
    expect(h.changes()).toEqual(['k//Pod/shop/a', 'k/networking.istio.io/WorkloadEntry/shop/vm', 'shop/db.example'])
    expect(h.published.address('shop/db.example')?.message.service?.addresses).toEqual([
      { network: '', address: Uint8Array.of(240, 0, 0, 1) },
      { network: '', address: Uint8Array.of(240, 1, 0, 0), length: 16 }
    ])
    const ports = { 'shop/db.example': { ports: [{ servicePort: 3306, targetPort: 3306 }] } }
    expect(h.workload('a')?.services).toEqual(ports)
    const vm = h.published.address('k/networking.istio.io/WorkloadEntry/shop/vm')?.message.workload
    expect(vm).toMatchObject({ services: ports, capacity: { value: 3 } })
  })

  it('a host with DNS resolution and no endpoints is a workload of that name', () => {
    const h = harness().put('serviceEntry', entry('db', { resolution: 'DNS' }))
    expect(h.changes()).toEqual(['k/networking.istio.io/ServiceEntry/shop/db/db.example', 'shop/db.example'])
  })

  it('of two entries for one host the older is published, and a Kubernetes Service before both', () => {
    const ip = (address: string) => ({ addresses: [address] })
    const old = entry('old', { ...ip('240.0.0.1'), hosts: ['cart.shop.svc.cluster.local'] })
    const young = entry('young', { ...ip('240.0.0.2'), hosts: ['cart.shop.svc.cluster.local'] }, '2026-05-01T00:00:00Z')
    const h = harness().put('serviceEntry', young).put('serviceEntry', old)
    h.changes()
    const name = () => h.published.address(cart)?.message.service?.name
    expect(name()).toBe('old')
    h.put('service', service('cart')).changes()
    expect(name()).toBe('cart')
    h.remove('service', service('cart')).changes()
    expect(name()).toBe('old')
    h.remove('serviceEntry', old).changes()
    expect(name()).toBe('young')
  })

  it('an entry that lost its host says nothing of the pods it selects', () => {
    const hosts = ['cart.shop.svc.cluster.local']
    const rival = entry('rival', { hosts, workloadSelector: { labels: { app: 'cart' } } })
    rival.spec.ports = [{ number: 80, name: 'http', protocol: 'TCP' }]
    const h = harness().put('pod', pod('a')).put('serviceEntry', rival).put('service', service('cart'))
    h.changes()
    const target = () => h.workload('a')?.services?.[cart]?.ports?.[0]?.targetPort
    expect(target()).toBe(8080)
    h.remove('service', service('cart')).changes()
    expect(target()).toBe(80)
  })
})
