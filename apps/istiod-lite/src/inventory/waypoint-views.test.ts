import type { V1Pod } from '@culvert/kubernetes'
import { describe, expect, it } from 'vitest'
import { cart, gateway, harness, namespace, pod, service } from './inventory.test-helper.ts'

describe('waypoints', () => {
  const labelled = namespace('shop', { 'istio.io/use-waypoint': 'gate' })
  const bound = { address: { network: '', address: Uint8Array.of(10, 96, 40, 1) }, hboneMtlsPort: 15008 }

  it('[workload-xds-25] the namespace’s waypoint unless the pod says none or names one that is missing', () => {
    const h = harness()
      .put('namespace', labelled)
      .put('gateway', gateway('gate'))
      .put('pod', pod('a'))
      .put('pod', pod('none', { ip: '10.0.0.2', labels: { 'istio.io/use-waypoint': 'none' } }))
      .put('pod', pod('typo', { ip: '10.0.0.3', labels: { 'istio.io/use-waypoint': 'typo' } }))
    h.changes()
    expect(h.workload('a')?.waypoint).toEqual(bound)
    expect(h.workload('none')?.waypoint).toBeUndefined()
    expect(h.workload('typo')?.waypoint).toBeUndefined()
  })

  it('a Gateway that gets its address reaches everything bound to it; its instances use none', () => {
    const instance = pod('gate-1', {
      ip: '10.0.0.9',
      labels: { 'gateway.networking.k8s.io/gateway-name': 'gate', app: 'gate' }
    })
    const h = harness()
      .put('namespace', labelled)
      .put('gateway', gateway('gate', { ip: '' }))
      .put('pod', pod('a'))
      .put('pod', instance)
      .put('service', service('cart'))
    h.changes()
    expect(h.put('gateway', gateway('gate')).changes()).toEqual(['k//Pod/shop/a', cart])
    expect(h.remove('gateway', gateway('gate')).changes()).toEqual(['k//Pod/shop/a', cart])
  })

  it.each([
    ['All', { namespaces: { from: 'All' } }, true],
    ['Same', { namespaces: { from: 'Same' } }, false],
    ['no word', undefined, false],
    ['a selector that matches', { namespaces: { from: 'Selector', selector: { matchLabels: { tier: 'web' } } } }, true],
    ['a selector that does not', { namespaces: { from: 'Selector', selector: { matchLabels: { tier: 'db' } } } }, false]
  ])('a namespace that the listener allows by %s', (_, allowedRoutes, allowed) => {
    const listeners = [{ name: 'mesh', port: 15008, protocol: 'HBONE', allowedRoutes }]
    const labels = { tier: 'web', 'istio.io/use-waypoint': 'gate', 'istio.io/use-waypoint-namespace': 'infra' }
    const h = harness()
      .put('namespace', namespace('shop', labels))
      .put('gateway', gateway('gate', { ns: 'infra', listeners }))
      .put('pod', pod('a'))
    h.changes()
    expect(h.workload('a')?.waypoint !== undefined).toBe(allowed)
  })

  it('serves only the traffic it is for', () => {
    const h = harness()
      .put('namespace', labelled)
      .put('gateway', gateway('gate', { labels: { 'istio.io/waypoint-for': 'service' } }))
      .put('pod', pod('a'))
      .put('service', service('cart'))
    h.changes()
    expect(h.workload('a')?.waypoint).toBeUndefined()
    expect(h.published.address(cart)?.message.service?.waypoint).toEqual(bound)
  })
})

describe('with waypoint policies on', () => {
  const policyName = 'infra/istio_allow_waypoint_infra_gate'
  const instance = (name: string, ip: string): V1Pod => ({
    ...pod(name, { ip, namespace: 'infra', labels: { 'gateway.networking.k8s.io/gateway-name': 'gate', app: 'gate' } }),
    spec: { serviceAccountName: 'gate-sa', nodeName: 'n1', containers: [{ name: 'a', image: 'x' }] }
  })
  const allowedRoutes = { namespaces: { from: 'All' } }
  const listeners = [{ name: 'mesh', port: 15008, protocol: 'HBONE', allowedRoutes }]
  const use = { 'istio.io/use-waypoint': 'gate', 'istio.io/use-waypoint-namespace': 'infra' }

  // That an ALLOW of others refuses a peer is ztunnel's part of the statement.
  it('[authorization-30] bound workloads let in the waypoint’s own pods, once it has any', () => {
    const h = harness({ waypointPolicies: true })
      .put('gateway', gateway('gate', { ns: 'infra', listeners }))
      .put('service', service('cart', {}, { labels: use }))
      .put('pod', pod('a'))
      .put('pod', pod('b', { ip: '10.0.0.2', labels: { app: 'other' } }))
    h.changes()
    expect(h.workload('a')?.authorizationPolicies).toEqual([])
    expect(h.put('pod', instance('gate-1', '10.0.0.9')).changes()).toEqual([
      policyName,
      'k//Pod/infra/gate-1',
      'k//Pod/shop/a'
    ])
    expect(h.published.policy(policyName)?.message).toMatchObject({
      action: 0,
      scope: 2,
      rules: [{ clauses: [{ matches: [{ principals: [{ exact: 'cluster.local/ns/infra/sa/gate-sa' }] }] }] }]
    })
    expect(h.workload('a')?.authorizationPolicies).toEqual([policyName])
    expect(h.workload('b')?.authorizationPolicies).toEqual([])
    expect(h.workload('gate-1', 'infra')?.authorizationPolicies).toEqual([])
    h.remove('pod', instance('gate-1', '10.0.0.9')).changes()
    expect(h.published.policy(policyName)).toBeUndefined()
    expect(h.workload('a')?.authorizationPolicies).toEqual([])
  })
})

describe('a canary waypoint', () => {
  const labels = { 'istio.io/use-waypoint': 'gate', 'istio.io/use-waypoint-canary': 'next' }
  const weight = (text: string) => ({ 'istio.io/use-waypoint-canary-weight': text })
  const shares = (h: ReturnType<typeof harness>) =>
    h.published.address(cart)?.message.service?.weightedWaypoints?.map(({ weight }) => weight)
  const message = (h: ReturnType<typeof harness>) => h.statusesOf('service shop/cart')[0]?.wants[0]?.message
  const start = (annotations: object, ownLabels: object = labels) => {
    const h = harness()
      .put('gateway', gateway('gate'))
      .put('gateway', gateway('next', { ip: '10.96.40.2' }))
      .put('service', service('cart', {}, { labels: ownLabels, annotations }))
    h.changes()
    return h
  }

  it('takes its share, beside the primary', () => {
    expect(shares(start(weight('30')))).toEqual([70, 30])
    expect(shares(start({}))).toEqual([100, 0])
  })

  it.each([
    ['no number', weight('x'), labels, 'CanaryInvalidWeight'],
    ['more than all', weight('101'), labels, 'CanaryInvalidWeight'],
    ['the primary itself', weight('30'), { ...labels, 'istio.io/use-waypoint-canary': 'gate' }, 'CanarySameAsPrimary'],
    ['one that is not there', weight('30'), { ...labels, 'istio.io/use-waypoint-canary': 'typo' }, 'CanaryNotBound']
  ])('with %s the primary stays alone, and the condition says why', (_, annotations, ownLabels, problem) => {
    const h = start(annotations, ownLabels)
    expect(shares(h)).toBeUndefined()
    expect(h.published.address(cart)?.message.service?.waypoint).toBeDefined()
    expect(message(h)).toContain(problem)
  })

  it('comes from the namespace only where the object names no waypoint', () => {
    const h = harness()
      .put('namespace', { metadata: { name: 'shop', labels, annotations: weight('40') } })
      .put('gateway', gateway('gate'))
      .put('service', service('cart', {}, { labels: { 'istio.io/use-waypoint': 'gate' } }))
    h.changes()
    expect(shares(h)).toBeUndefined()
    h.put('service', service('cart'))
    h.changes()
    expect(shares(h)).toBeUndefined()
    expect(h.put('gateway', gateway('next', { ip: '10.96.40.2' })).changes()).toEqual([cart])
    expect(shares(h)).toEqual([60, 40])
  })
})
