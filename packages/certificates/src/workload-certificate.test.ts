import { createCsr } from '@culvert/spiffe'
import { describe, expect, it } from 'vitest'
import { createCertificateAuthority, selfSignedRoot } from './index.ts'
import { readCertificateChain } from './workload-certificate.ts'

const cart = 'spiffe://acme.test/ns/shop/sa/cart'
const till = 'spiffe://acme.test/ns/shop/sa/till'
const root = await selfSignedRoot({ organization: 'acme.test', ttlSeconds: 3600 })
const ca = await createCertificateAuthority({ signingCertificate: root.certificate, signingKey: root.key })
const { csr, privateKey } = await createCsr(cart)
const [leaf] = await ca.sign({ csr, sans: [cart], ttlSeconds: 60 })

describe('[identity-ca-26] the answer of a CA', () => {
  it.each([
    ['no element', [], cart, `chain returned from CA is empty for: ${cart}`],
    ['one element', [leaf!], cart, 'no root certificate present'],
    ['another leaf', [leaf!, root.certificate], till, `did not find expected SAN: ${till}`],
    ['a key for a leaf', [privateKey, root.certificate], cart, 'is PRIVATE KEY, expected a CERTIFICATE'],
    ['a key among the roots', [leaf!, root.certificate + privateKey], cart, 'PEM block 2 is a PRIVATE KEY']
  ])('%s is an error', (_, chain, expected, message) => {
    expect(() => readCertificateChain(chain, expected, privateKey, expected)).toThrow(message)
  })

  it('splits leaf, intermediates and roots', () => {
    const chain = [leaf!, root.certificate, root.certificate + root.certificate]
    const certificate = readCertificateChain(chain, cart, privateKey, cart)
    expect(certificate.certificateChain).toEqual([leaf, root.certificate])
    expect(certificate.roots).toEqual([root.certificate, root.certificate])
  })
})
