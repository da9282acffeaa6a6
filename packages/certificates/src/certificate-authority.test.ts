import { X509Certificate } from 'node:crypto'
import { createCsr, parseCertificates, uriSans } from '@culvert/spiffe'
import { describe, expect, it } from 'vitest'
import {
  type CertificateAuthority,
  type CertificateAuthorityOptions,
  createCertificateAuthority,
  selfSignedRoot
} from './index.ts'
import * as x509 from './x509.ts'

const day = 24 * 60 * 60
const cart = 'spiffe://acme.test/ns/shop/sa/cart'
const root = await selfSignedRoot({ organization: 'acme.test', ttlSeconds: 3650 * day })

const authority = (options: Partial<CertificateAuthorityOptions> = {}): Promise<CertificateAuthority> =>
  createCertificateAuthority({ signingCertificate: root.certificate, signingKey: root.key, ...options })

const extensionValue = (certificate: X509Certificate, oid: string): { critical: boolean; value: string } => {
  const extension = new x509.X509Certificate(certificate.raw).getExtension(oid)!
  return { critical: extension.critical, value: Buffer.from(extension.value).toString('hex') }
}

describe('selfSignedRoot', () => {
  it('is a CA for certificates only, named after the trust domain, with a PKCS#1 key', () => {
    const certificate = new X509Certificate(root.certificate)
    expect(certificate.subject).toBe('O=acme.test')
    expect(certificate.ca).toBe(true)
    expect(extensionValue(certificate, '2.5.29.15')).toEqual({ critical: true, value: '03020204' })
    expect(root.key).toMatch(/^-----BEGIN RSA PRIVATE KEY-----/)
  })

  it('makes a new root with the old key under which old leaves verify', async () => {
    const { csr } = await createCsr(cart)
    const [leaf] = await (await authority()).sign({ csr, sans: [cart], ttlSeconds: 60 })
    const next = await selfSignedRoot({ organization: 'acme.test', ttlSeconds: day, key: root.key })
    expect(new X509Certificate(leaf!).verify(new X509Certificate(next.certificate).publicKey)).toBe(true)
    expect(new X509Certificate(next.certificate).subject).toBe('O=acme.test')
  })
})

describe('createCertificateAuthority', () => {
  it('[identity-ca-6] issues leaves of the profile of 1.4', async () => {
    const { csr } = await createCsr(cart)
    const now = Date.UTC(2027, 0, 1)
    const [text] = await (await authority({ now: () => now })).sign({ csr, sans: [cart], ttlSeconds: 3600 })
    const leaf = new X509Certificate(text!)
    expect(leaf.subject ?? '').toBe('')
    expect(leaf.validFromDate.getTime()).toBe(now - 120_000)
    expect(leaf.validToDate.getTime()).toBe(now + 3_600_000)
    expect(extensionValue(leaf, '2.5.29.15')).toEqual({ critical: true, value: '030205a0' })
    expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
    expect(extensionValue(leaf, '2.5.29.37').critical).toBe(false)
    expect(extensionValue(leaf, '2.5.29.19')).toEqual({ critical: true, value: '3000' })
    expect(extensionValue(leaf, '2.5.29.17').critical).toBe(true)
    expect(uriSans(leaf)).toEqual([cart])
    expect(leaf.verify(new X509Certificate(root.certificate).publicKey)).toBe(true)
  })

  it('[identity-ca-5] takes no name from the request', async () => {
    const { csr } = await createCsr('spiffe://evil/ns/a/sa/b')
    const [leaf] = await (await authority()).sign({ csr, sans: [cart], ttlSeconds: 60 })
    expect(uriSans(new X509Certificate(leaf!))).toEqual([cart])
  })

  it('[identity-ca-7] answers with 2 elements when self-signed, with 4 for the chain of the example', async () => {
    const { csr } = await createCsr(cart)
    expect(await (await authority()).sign({ csr, sans: [cart], ttlSeconds: 60 })).toHaveLength(2)
    const other = await selfSignedRoot({ organization: 'other', ttlSeconds: day })
    const bundle = `${root.certificate}${other.certificate}`
    const chain = `${other.certificate}${root.certificate}`
    const answer = await (await authority({ chain, rootBundle: bundle })).sign({ csr, sans: [cart], ttlSeconds: 60 })
    expect(answer.slice(1)).toEqual([other.certificate, root.certificate, bundle])
    expect(parseCertificates(answer[3]!)).toHaveLength(2)
    expect(answer.every(element => /[^\n]\n$/.test(element))).toBe(true)
  })

  it.each([
    [0, day],
    [-5, day],
    [2160 * 3600, 2160 * 3600]
  ])('[identity-ca-8] wanting %d seconds gives %d', async (ttlSeconds, lifetime) => {
    const { csr } = await createCsr(cart)
    const now = Date.now()
    const [leaf] = await (await authority({ now: () => now })).sign({ csr, sans: [cart], ttlSeconds })
    const { validToDate } = new X509Certificate(leaf!)
    expect(Math.floor(validToDate.getTime() / 1000)).toBe(Math.floor(now / 1000) + lifetime)
  })

  it('[identity-ca-8] refuses a second more than the maximum', async () => {
    const { csr } = await createCsr(cart)
    await expect((await authority()).sign({ csr, sans: [cart], ttlSeconds: 2160 * 3600 + 1 })).rejects.toMatchObject({
      code: 'TTL_ERROR',
      message: 'requested TTL 2160h0m1s is greater than the max allowed TTL 2160h0m0s'
    })
  })

  it('[identity-ca-9] ends with the signer, and refuses once that has expired', async () => {
    const { csr } = await createCsr(cart)
    const ca = await authority({ now: () => new X509Certificate(root.certificate).validToDate.getTime() - 3600_000 })
    const [leaf] = await ca.sign({ csr, sans: [cart], ttlSeconds: 7200 })
    expect(new X509Certificate(leaf!).validTo).toBe(new X509Certificate(root.certificate).validTo)
    const expired = await authority({ now: () => Date.now() + 3651 * day * 1000 })
    await expect(expired.sign({ csr, sans: [cart], ttlSeconds: 60 })).rejects.toMatchObject({ code: 'CERT_GEN_ERROR' })
  })

  it('refuses a key that is not the certificate’s', async () => {
    const other = await selfSignedRoot({ organization: 'other', ttlSeconds: day })
    await expect(authority({ signingKey: other.key })).rejects.toThrow(
      'the signing key does not belong to the signing certificate'
    )
  })

  it.each([
    ['nonsense', 'certificate signing request is not properly encoded'],
    [
      '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n',
      'failed to parse X.509 certificate signing request'
    ]
  ])('refuses the request %j', async (csr, message) => {
    await expect((await authority()).sign({ csr, sans: [cart], ttlSeconds: 60 })).rejects.toThrow(message)
  })
})
