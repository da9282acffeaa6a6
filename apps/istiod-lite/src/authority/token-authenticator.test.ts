import type { KubernetesObject, V1TokenReview } from '@culvert/kubernetes'
import { describe, expect, it } from 'vitest'
import { callerOfReview, createTokenAuthenticator } from './token-authenticator.ts'

const review = (status: object): V1TokenReview => ({ spec: { token: 't' }, status: { authenticated: true, ...status } })
const user = (change: object = {}) => ({
  username: 'system:serviceaccount:shop:cart',
  groups: ['system:serviceaccounts', 'system:authenticated'],
  extra: { 'authentication.kubernetes.io/pod-name': ['cart-0'], 'authentication.kubernetes.io/pod-uid': ['u1'] },
  ...change
})

describe('a token review', () => {
  it('names the caller and the pod its token is bound to', () => {
    expect(callerOfReview(review({ user: user() }), 'acme.test')).toEqual({
      identities: ['spiffe://acme.test/ns/shop/sa/cart'],
      namespace: 'shop',
      serviceAccount: 'cart',
      pod: { name: 'cart-0', uid: 'u1' }
    })
    expect(callerOfReview(review({ user: user({ extra: undefined }) }), 'td').pod).toBeUndefined()
  })

  it.each([
    [
      '[identity-ca-15] no service-account group',
      { user: user({ groups: ['system:authenticated'] }) },
      'not of a service account'
    ],
    ['an error', { user: user(), error: 'expired\u001b[31m' }, 'expired\\u001b[31m'],
    ['not authenticated', { authenticated: false, user: user() }, 'did not authenticate'],
    ['a user of another shape', { user: user({ username: 'system:node:n1' }) }, 'no service account name'],
    ['a user of five parts', { user: user({ username: 'system:serviceaccount:a:b:c' }) }, 'no service account name']
  ])('is refused with %s', (_, status, reason) => {
    expect(() => callerOfReview(review(status), 'td')).toThrow(reason)
  })
})

describe('the authenticator', () => {
  function harness(answer: (token: string) => V1TokenReview) {
    const asked: { token: string; audiences: string[] | undefined }[] = []
    let now = 0
    const client = {
      async create<T extends KubernetesObject>(_: unknown, object: T): Promise<T> {
        const { token = '', audiences } = (object as unknown as V1TokenReview).spec
        asked.push({ token, audiences })
        return answer(token) as unknown as T
      }
    }
    const authenticate = createTokenAuthenticator({
      client,
      audiences: ['istio-ca', 'other'],
      clusterId: 'k',
      clusterAliases: new Set(['alias']),
      trustDomain: 'td',
      clock: { now: () => now, after: () => () => {} }
    })
    return { asked, authenticate, advance: (ms: number) => (now += ms) }
  }
  const accepted = () => review({ user: user() })

  it('asks with its audiences, and reuses an answer for seconds only', async () => {
    const h = harness(accepted)
    await Promise.all(Array.from({ length: 50 }, () => h.authenticate('t', 'k')))
    expect(h.asked).toEqual([{ token: 't', audiences: ['istio-ca', 'other'] }])
    h.advance(10_001)
    await h.authenticate('t', '')
    expect(h.asked).toHaveLength(2)
  })

  it('never reuses an answer past the token’s own end, nor a refusal', async () => {
    const h = harness(accepted)
    const token = `x.${Buffer.from(JSON.stringify({ exp: 2 })).toString('base64url')}.y`
    await h.authenticate(token, 'k')
    h.advance(2001)
    await h.authenticate(token, 'k')
    expect(h.asked).toHaveLength(2)

    const refusing = harness(() => review({ authenticated: false }))
    await expect(refusing.authenticate('t', 'k')).rejects.toThrow('did not authenticate')
    await expect(refusing.authenticate('t', 'k')).rejects.toThrow('did not authenticate')
    expect(refusing.asked).toHaveLength(2)
  })

  it('takes its own cluster by name, alias or no name at all, and no other', async () => {
    const h = harness(accepted)
    for (const cluster of ['', 'k', 'alias']) await h.authenticate('t', cluster)
    await expect(h.authenticate('t', 'elsewhere')).rejects.toThrow('"elsewhere"')
  })
})
