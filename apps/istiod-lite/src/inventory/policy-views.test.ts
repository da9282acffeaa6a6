import { describe, expect, it } from 'vitest'
import { harness, peer, pod, policy, strict } from './inventory.test-helper.ts'

describe('policies on workloads', () => {
  it('[authorization-19, 20] selector policies of the root namespace and the workload’s, sorted; no others', () => {
    const app = { app: 'cart' }
    const h = harness()
      .put('pod', pod('a'))
      .put('authorizationPolicy', policy('l', 'shop', app))
      .put('authorizationPolicy', policy('r', 'mesh-root', app))
      .put('authorizationPolicy', policy('third', 'other', app))
      .put('authorizationPolicy', policy('misses', 'shop', { app: 'x' }))
      .put('authorizationPolicy', policy('all', 'shop'))
      .put('authorizationPolicy', policy('custom', 'shop', app, { action: 'CUSTOM' }))
      .put('authorizationPolicy', policy('target', 'shop', app, { targetRefs: [{ kind: 'Service', name: 'x' }] }))
    h.changes()
    expect(h.workload('a')?.authorizationPolicies).toEqual(['mesh-root/r', 'shop/l'])
    expect([...h.published.policies()].map(({ name }) => name).sort()).toEqual([
      'mesh-root/r',
      'other/third',
      'shop/all',
      'shop/l',
      'shop/misses'
    ])
  })

  it('a policy change reaches the policy, and workloads only when their list changes', () => {
    const h = harness()
      .put('pod', pod('a'))
      .put('pod', pod('b', { ip: '10.0.0.2', labels: { app: 'other' } }))
    h.changes()
    const rules = [{}]
    expect(h.put('authorizationPolicy', policy('p', 'shop', { app: 'cart' })).changes()).toEqual([
      'k//Pod/shop/a',
      'shop/p'
    ])
    expect(h.put('authorizationPolicy', policy('p', 'shop', { app: 'cart' }, { rules })).changes()).toEqual(['shop/p'])
    expect(h.put('authorizationPolicy', policy('p', 'shop', { app: 'other' }, { rules })).changes()).toEqual([
      'k//Pod/shop/a',
      'k//Pod/shop/b'
    ])
  })

  it('[authorization-27] static strict is there while any PeerAuthentication is', () => {
    const h = harness().put('pod', pod('a'))
    h.changes()
    const one = peer('p', 'shop', 'PERMISSIVE')
    expect(h.put('peerAuthentication', one).changes()).toEqual([strict])
    expect(h.workload('a')?.authorizationPolicies).toEqual([])
    expect(h.remove('peerAuthentication', one).changes()).toEqual([strict])
    expect(h.published.policy(strict)).toBeUndefined()
  })

  it('[authorization-28] a namespace’s STRICT over the mesh’s PERMISSIVE; a workload’s PERMISSIVE over both', () => {
    const h = harness()
      .put('pod', pod('a'))
      .put('pod', pod('b', { ip: '10.0.0.2', labels: { app: 'other' } }))
      .put('pod', pod('c', { ip: '10.0.0.3', namespace: 'elsewhere' }))
      .put('peerAuthentication', peer('mesh', 'mesh-root', 'PERMISSIVE'))
      .put('peerAuthentication', peer('ns', 'shop', 'STRICT'))
    h.changes()
    expect(h.workload('a')?.authorizationPolicies).toEqual([strict])
    expect(h.workload('c', 'elsewhere')?.authorizationPolicies).toEqual([])
    const own = peer('own', 'shop', 'PERMISSIVE', { app: 'cart' })
    expect(h.put('peerAuthentication', own).changes()).toEqual(['k//Pod/shop/a'])
    expect(h.workload('a')?.authorizationPolicies).toEqual([])
    expect(h.workload('b')?.authorizationPolicies).toEqual([strict])
  })

  it('[authorization-29] of two namespace objects the older decides', () => {
    const h = harness()
      .put('pod', pod('a'))
      .put('peerAuthentication', peer('young', 'shop', 'PERMISSIVE', undefined, '2026-03-01T00:00:00Z'))
      .put('peerAuthentication', peer('old', 'shop', 'STRICT', undefined, '2026-01-01T00:00:00Z'))
    h.changes()
    expect(h.workload('a')?.authorizationPolicies).toEqual([strict])
  })

  it('a parent’s change reaches the converted policies below it', () => {
    const own = {
      ...peer('own', 'shop', 'STRICT', { app: 'cart' }),
      spec: { selector: { matchLabels: { app: 'cart' } }, portLevelMtls: { 80: { mode: 'PERMISSIVE' as const } } }
    }
    const converted = 'shop/converted_peer_authentication_own'
    const h = harness().put('pod', pod('a')).put('peerAuthentication', own)
    expect(h.changes()).not.toContain(converted)
    const root = peer('mesh', 'mesh-root', 'STRICT')
    expect(h.put('peerAuthentication', root).changes()).toEqual(['k//Pod/shop/a', converted])
    expect(h.workload('a')?.authorizationPolicies).toEqual([converted])
    expect(h.remove('peerAuthentication', root).changes()).toEqual(['k//Pod/shop/a', converted])
  })
})
