import { X509Certificate } from 'node:crypto'
import { status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ControlPlane, startControlPlane } from '../../test/control-plane.ts'
import { requestCertificate } from '../../test/grpc-client.ts'
import { bearer, openShop, plaintext, secure } from '../istiod.test-helper.ts'

let plane: ControlPlane
let ztunnelToken: string
let cartToken: string

beforeAll(async () => {
  plane = await startControlPlane()
  ;({ ztunnelToken, cartToken } = await openShop(plane))
}, 30_000)
afterAll(() => plane[Symbol.asyncDispose]())

describe('the certificate service', () => {
  const leafOf = (chain: readonly string[]) => new X509Certificate(chain[0] ?? '')
  const ask = async (options: Parameters<typeof requestCertificate>[1], client = secure(plane)) => {
    try {
      return await requestCertificate(client, options)
    } finally {
      client.close()
    }
  }
  const spiffe = (account: string, td = 'acme.test') => `spiffe://${td}/ns/shop/sa/${account}`

  it('[identity-ca-5, 7] signs for the caller alone, whatever the request names, and ends with the root', async () => {
    const { chain } = await ask({ headers: bearer(cartToken) })
    expect(chain).toHaveLength(2)
    expect(leafOf(chain).subjectAltName).toBe('URI:spiffe://cluster.local/ns/shop/sa/cart')
    expect(chain[1]).toBe(plane.root)
    expect(leafOf(chain).verify(new X509Certificate(plane.root).publicKey)).toBe(true)
  })

  it('[identity-ca-6] backdates by two minutes and lives as long as asked for', async () => {
    const before = Date.now()
    const { chain } = await ask({ headers: bearer(cartToken), validitySeconds: 3600 })
    const leaf = leafOf(chain)
    expect(leaf.validToDate.getTime() - leaf.validFromDate.getTime()).toBe(3600_000 + 120_000)
    expect(Math.abs(leaf.validFromDate.getTime() + 120_000 - before)).toBeLessThan(10_000)
    expect(leaf.ca).toBe(false)
  })

  it.each([
    [0, 24 * 3600],
    [-5, 24 * 3600],
    [2160 * 3600, 2160 * 3600]
  ])('[identity-ca-8] asked for %i s, gives %i s', async (validitySeconds, expected) => {
    const leaf = leafOf((await ask({ headers: bearer(cartToken), validitySeconds })).chain)
    expect((leaf.validToDate.getTime() - leaf.validFromDate.getTime()) / 1000 - 120).toBe(expected)
  })

  it('[identity-ca-8] refuses more than the maximum', async () => {
    const call = ask({ headers: bearer(cartToken), validitySeconds: 2160 * 3600 + 1 })
    await expect(call).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: 'CSR signing error (requested TTL 2160h0m1s is greater than the max allowed TTL 2160h0m0s)'
    })
  })

  it('[identity-ca-10] without credentials even a broken request is refused for that', async () => {
    await expect(ask({ csr: 'broken' })).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
      details: 'request authenticate failure'
    })
  })

  it('[identity-ca-11] a request that is not PEM', async () => {
    await expect(ask({ headers: bearer(cartToken), csr: 'broken' })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining('CSR signing error')
    })
  })

  const refused = { code: status.UNAUTHENTICATED, details: 'request impersonation authentication failure' }
  it('[identity-ca-12] a node’s proxy gets the identities of its node, verbatim, and no others', async () => {
    const { chain } = await ask({ headers: bearer(ztunnelToken), impersonate: spiffe('cart') })
    expect(leafOf(chain).subjectAltName).toBe(`URI:${spiffe('cart')}`)
    await expect(ask({ headers: bearer(ztunnelToken), impersonate: spiffe('pay') })).rejects.toMatchObject(refused)
    await expect(ask({ headers: bearer(cartToken), impersonate: spiffe('cart') })).rejects.toMatchObject(refused)
    await expect(ask({ headers: bearer(ztunnelToken), impersonate: 'no-id' })).rejects.toMatchObject(refused)
  })

  it('[identity-ca-12] without its cluster’s name a proxy is authenticated, but has no node', async () => {
    const headers = { authorization: `Bearer ${ztunnelToken}` }
    await expect(ask({ headers, impersonate: spiffe('cart') })).rejects.toMatchObject(refused)
    expect((await ask({ headers })).chain).toHaveLength(2)
  })

  it('a token that is bound to no pod cannot impersonate', async () => {
    const unbound = await plane.token({ namespace: 'istio-system', serviceAccount: 'ztunnel' })
    await expect(ask({ headers: bearer(unbound), impersonate: spiffe('cart') })).rejects.toMatchObject(refused)
  })

  it('[identity-ca-13] a client certificate comes first, and has no pod', async () => {
    const own = await ask({ headers: bearer(ztunnelToken) })
    const identity = { certificateChain: own.chain.slice(0, -1).join(''), privateKey: own.privateKey }
    const client = () => secure(plane, identity)
    const { chain } = await ask({}, client())
    expect(leafOf(chain).subjectAltName).toBe('URI:spiffe://cluster.local/ns/istio-system/sa/ztunnel')
    const call = ask({ headers: bearer(ztunnelToken), impersonate: spiffe('cart') }, client())
    await expect(call).rejects.toMatchObject(refused)
  })

  it('refuses the connection of a client certificate of another trust domain or another root', async () => {
    await using other = await startControlPlane({ trustDomain: 'other.test' })
    const token = await other.token({ namespace: 'istio-system', serviceAccount: 'ztunnel' })
    const foreign = await ask({ headers: bearer(token) }, secure(other))
    const own = await ask({ headers: bearer(ztunnelToken), impersonate: spiffe('cart') })
    for (const { chain, privateKey } of [foreign, own]) {
      const identity = { certificateChain: chain.slice(0, -1).join(''), privateKey }
      const client = secure(plane, identity)
      await expect(ask({ headers: bearer(ztunnelToken) }, client)).rejects.toMatchObject({ code: status.UNAVAILABLE })
    }
  })

  it('[identity-ca-14] is not on the plaintext port', async () => {
    const client = plaintext(plane)
    await expect(ask({ headers: bearer(cartToken) }, client)).rejects.toMatchObject({ code: status.UNIMPLEMENTED })
  })

  it('[identity-ca-2] writes a trust domain with @ as a host', async () => {
    await using at = await startControlPlane({ beside: plane, trustDomain: 'ops@acme.test' })
    const { chain, privateKey } = await ask({ headers: bearer(cartToken) }, secure(at))
    expect(leafOf(chain).subjectAltName).toBe('URI:spiffe://ops.acme.test/ns/shop/sa/cart')
    const identity = { certificateChain: chain.slice(0, -1).join(''), privateKey }
    expect((await ask({}, secure(at, identity))).chain).toHaveLength(2)
  })
})
