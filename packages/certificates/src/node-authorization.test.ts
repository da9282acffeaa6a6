import { describe, expect, it } from 'vitest'
import { authorizeNode, type PodRecord, parseTrustedAccounts } from './node-authorization.ts'

const pod = (
  namespace: string,
  name: string,
  serviceAccount: string,
  node: string,
  uid = `${name}-uid`
): PodRecord => ({
  namespace,
  name,
  serviceAccount,
  node,
  uid
})

// The worked example of docs/spec/identity-ca.md 3.3.
const pods = [
  pod('istio-system', 'zt-1', 'ztunnel', 'n1', 'u1'),
  pod('shop', 'cart-0', 'cart', 'n1'),
  pod('shop', 'pay-0', 'pay', 'n2')
]
const index = {
  pod: (namespace: string, name: string) => pods.find(one => one.namespace === namespace && one.name === name),
  podsOnNode: (node: string) => pods.filter(one => one.node === node)
}
const trusted = parseTrustedAccounts('istio-system/ztunnel,ignored')
const ztunnel = { namespace: 'istio-system', serviceAccount: 'ztunnel', podName: 'zt-1', podUid: 'u1' }

describe('[identity-ca-12] node authorization', () => {
  it.each([
    ['its own node', ztunnel, 'spiffe://acme.test/ns/shop/sa/cart', undefined],
    ['itself', ztunnel, 'spiffe://acme.test/ns/istio-system/sa/ztunnel', undefined],
    ['another node', ztunnel, 'spiffe://acme.test/ns/shop/sa/pay', 'no pod of shop/pay on node n1'],
    ['an old token', { ...ztunnel, podUid: 'u0' }, 'spiffe://acme.test/ns/shop/sa/cart', 'another UID'],
    [
      'no pod in the token',
      { ...ztunnel, podName: '', podUid: '' },
      'spiffe://acme.test/ns/shop/sa/cart',
      'is unknown'
    ],
    [
      'another account',
      { namespace: 'shop', serviceAccount: 'cart', podName: 'cart-0', podUid: 'cart-0-uid' },
      'spiffe://acme.test/ns/shop/sa/cart',
      'shop/cart is not a trusted'
    ],
    ['no identity', ztunnel, 'shop/cart', 'is no spiffe://']
  ])('%s', (_, caller, wanted, reason) => {
    const verdict = authorizeNode(trusted, index, caller, wanted)
    expect(verdict).toEqual(
      reason === undefined ? { allowed: true } : { allowed: false, reason: expect.stringContaining(reason) }
    )
  })

  it('is off without trusted accounts', () => {
    expect(authorizeNode(parseTrustedAccounts(''), index, ztunnel, 'spiffe://acme.test/ns/shop/sa/cart').allowed).toBe(
      false
    )
  })
})
