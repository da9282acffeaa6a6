import { describe, expect, it } from 'vitest'
import { cart, harness, namespace, pod, policy, service } from './inventory.test-helper.ts'

describe('what a change reaches', () => {
  it('[workload-xds-30] an annotation that no message holds changes nothing; the redirection does', () => {
    const h = harness().put('pod', pod('a'))
    expect(h.changes()).toEqual(['k//Pod/shop/a'])
    expect(h.put('pod', pod('a', { annotations: { note: 'x' } })).changes()).toEqual([])
    const captured = pod('a', { annotations: { 'ambient.istio.io/redirection': 'enabled' } })
    expect(h.put('pod', captured).changes()).toEqual(['k//Pod/shop/a'])
  })

  it('a selector change reaches the workloads gained and lost, not the Service', () => {
    const h = harness()
      .put('pod', pod('a', { ip: '10.0.0.1', labels: { v: '1' } }))
      .put('pod', pod('b', { ip: '10.0.0.2', labels: { v: '2' } }))
      .put('pod', pod('c', { ip: '10.0.0.3', labels: { app: 'other' } }))
      .put('service', service('cart', { selector: { v: '1' } }))
    h.changes()
    expect(Object.keys(h.workload('a')?.services ?? {})).toEqual([cart])
    expect(h.put('service', service('cart', { selector: { v: '2' } })).changes()).toEqual([
      'k//Pod/shop/a',
      'k//Pod/shop/b'
    ])
    expect(h.workload('a')?.services).toEqual({})
    expect(Object.keys(h.workload('b')?.services ?? {})).toEqual([cart])
  })

  it('a target port change reaches its workloads and the Service; a status change nobody', () => {
    const h = harness().put('pod', pod('a')).put('service', service('cart'))
    h.changes()
    const ports = [{ port: 80, targetPort: 9090 }]
    expect(h.put('service', service('cart', { ports })).changes()).toEqual(['k//Pod/shop/a', cart])
    expect(h.put('service', { ...service('cart', { ports }), status: { conditions: [] } }).changes()).toEqual([])
  })

  it('a node reaches its pods only by its locality', () => {
    const node = (labels: Record<string, string>) => ({ metadata: { name: 'n1', labels } })
    const h = harness()
      .put('pod', pod('a'))
      .put('pod', pod('b', { node: 'n2', ip: '10.0.0.2' }))
      .put('node', node({}))
    h.changes()
    expect(h.put('node', node({ heartbeat: '1' })).changes()).toEqual([])
    expect(h.put('node', node({ 'topology.kubernetes.io/zone': 'z' })).changes()).toEqual(['k//Pod/shop/a'])
  })

  it('a traffic annotation of the namespace reaches the services without their own', () => {
    const key = 'networking.istio.io/traffic-distribution'
    const h = harness()
      .put('namespace', namespace('shop'))
      .put('service', service('cart'))
      .put('service', service('own', {}, { annotations: { [key]: 'PreferSameNode' } }))
    h.changes()
    expect(h.put('namespace', namespace('shop', {}, { [key]: 'PreferClose' })).changes()).toEqual([cart])
  })

  it('the network label of the system namespace reaches everything', () => {
    const h = harness().put('pod', pod('a')).put('service', service('cart'))
    h.changes()
    const labels = { 'topology.istio.io/network': 'blue' }
    expect(h.put('namespace', namespace('istio-system', labels)).changes()).toEqual(['k//Pod/shop/a', cart])
    expect(h.workload('a')?.network).toBe('blue')
  })

  it('[workload-xds-23] a pod that has ended is withdrawn', () => {
    const h = harness().put('pod', pod('a'))
    h.changes()
    const ended = { ...pod('a'), status: { ...pod('a').status, phase: 'Succeeded' } }
    expect(h.put('pod', ended).changes()).toEqual(['k//Pod/shop/a'])
    expect(h.workload('a')).toBeUndefined()
  })

  it('deleted objects take their resources along', () => {
    const h = harness().put('pod', pod('a')).put('service', service('cart'))
    h.changes()
    expect(h.remove('pod', pod('a')).remove('service', service('cart')).changes()).toEqual(['k//Pod/shop/a', cart])
    expect([...h.published.addresses()]).toEqual([])
  })

  it('objects of another revision are another control plane’s', () => {
    const other = policy('p', 'shop')
    other.metadata = { ...other.metadata, labels: { 'istio.io/rev': 'green' } } as never
    expect(harness({ revision: 'blue' }).put('authorizationPolicy', other).changes()).toEqual([])
    expect(harness().put('authorizationPolicy', other).changes()).toEqual(['shop/p'])
  })
})

it('an object that cannot be computed is told, keeps what it had published, and stops nobody else', () => {
  const failed: string[] = []
  const h = harness({ onError: unit => failed.push(unit) }).put('pod', pod('a'))
  h.changes()
  const odd = { ...pod('a'), spec: { containers: 5 } } as never
  const ports = [{ port: 80, targetPort: 'web' }]
  h.put('service', service('cart', { ports }))
    .put('pod', odd)
    .put('pod', pod('b', { ip: '10.0.0.2' }))
  expect(h.changes()).toEqual(['k//Pod/shop/b', cart])
  expect(failed).toEqual(['pod shop/a'])
  expect(h.workload('a')?.node).toBe('n1')
})

it('node authorization sees pods by node, Failed ones not', () => {
  const h = harness()
    .put('pod', pod('a'))
    .put('pod', { ...pod('b', { ip: '10.0.0.2' }), status: { phase: 'Failed' } })
  expect([...h.podIndex.podsOnNode('n1')].map(({ name }) => name)).toEqual(['a'])
  h.put('pod', pod('a', { node: 'n2' }))
  expect([...h.podIndex.podsOnNode('n1')]).toEqual([])
  expect(h.podIndex.pod('shop', 'a')).toMatchObject({ node: 'n2', uid: 'a', serviceAccount: 'cart' })
  h.remove('pod', pod('a'))
  expect(h.podIndex.pod('shop', 'a')).toBeUndefined()
})
