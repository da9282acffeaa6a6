import {
  BasicConstraintsExtension,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator
} from './x509.test-helper.ts'
import { createPrivateKey, subtle, webcrypto, X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { context, decodeDer, encodeDer, tags } from './der.ts'
import { certificateIdentity, createCsr, parseCertificates, peerIdentities, peerIdentity, uriSans } from './index.ts'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

async function certificate(names: { type: 'url' | 'dns'; value: string }[]): Promise<X509Certificate> {
  const keys = (await subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
  const made = await X509CertificateGenerator.createSelfSigned({
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(false),
      ...(names.length ? [new SubjectAlternativeNameExtension(names, true)] : [])
    ]
  })
  return new X509Certificate(Buffer.from(made.rawData))
}

const differences = (a: string, b: string): number =>
  a.length === b.length ? [...a].filter((character, i) => character !== b[i]).length : Number.POSITIVE_INFINITY

describe('identities in certificates', () => {
  it('tells our own identity by the first URI alone, a peer by the first that parses', async () => {
    const leaf = await certificate([
      { type: 'dns', value: 'cart.shop' },
      { type: 'url', value: 'https://example.test/' },
      { type: 'url', value: 'spiffe://td/ns/shop/sa/cart' },
      { type: 'url', value: 'spiffe://td/ns/shop/sa/till' }
    ])
    expect(uriSans(leaf)).toHaveLength(3)
    expect(certificateIdentity(leaf)).toBeUndefined()
    expect(peerIdentity(leaf)).toEqual({ trustDomain: 'td', namespace: 'shop', serviceAccount: 'cart' })
    expect(peerIdentities(leaf).map(id => id.serviceAccount)).toEqual(['cart', 'till'])
  })

  it('keeps a name with commas and quotes in one piece', async () => {
    const name = 'spiffe://td/ns/a/sa/b", URI:spiffe://td/ns/evil/sa/root'
    expect(uriSans(await certificate([{ type: 'url', value: name }]))).toEqual([name])
  })

  it('finds no name in what is cut or changed, or that was not there before', async () => {
    const names = ['spiffe://td/ns/shop/sa/cart', 'spiffe://td/ns/shop/sa/till']
    const { raw } = await certificate(names.map(value => ({ type: 'url', value })))
    const found = (bytes: Buffer): string[] => uriSans({ raw: bytes } as X509Certificate)
    expect(found(raw)).toEqual(names)
    for (let length = 0; length < raw.length; length++) expect(found(raw.subarray(0, length))).toEqual([])
    for (let at = 0; at < raw.length; at++) {
      for (const bit of [1, 0x80]) {
        const changed = Buffer.from(raw)
        changed.writeUInt8(raw.readUInt8(at) ^ bit, at)
        // A name that differs in the changed character is fine, and a shorter list; nothing else may come out.
        for (const name of found(changed)) expect(names.some(known => differences(known, name) <= 1)).toBe(true)
      }
    }
  })

  it('believes none of two lists of names', async () => {
    const { raw } = await certificate([{ type: 'url', value: 'spiffe://td/ns/shop/sa/cart' }])
    const [whole] = decodeDer(raw)
    const [toBeSigned, ...rest] = decodeDer(whole!.content)
    const parts = decodeDer(toBeSigned!.content)
    const [list] = decodeDer(parts.at(-1)!.content)
    const twice = encodeDer(context(3), encodeDer(tags.sequence, list!.content, list!.content))
    const others = parts.slice(0, -1).map(({ tag, content }) => encodeDer(tag, content))
    const changed = encodeDer(
      tags.sequence,
      encodeDer(tags.sequence, ...others, twice),
      ...rest.map(({ tag, content }) => encodeDer(tag, content))
    )
    expect(uriSans(new X509Certificate(changed))).toEqual([])
  })

  it('finds no name where there is none', async () => {
    expect(uriSans(await certificate([]))).toEqual([])
  })
})

describe('createCsr', () => {
  it('[identity-ca-3] is P-256 with SHA-256, has no subject and one critical URI name, and nothing else', async () => {
    const identity = 'spiffe://acme.test/ns/shop/sa/cart'
    const { csr, privateKey } = await createCsr(identity)
    const request = new Pkcs10CertificateRequest(csr)
    expect(request.subject).toBe('')
    expect(request.signatureAlgorithm).toMatchObject({ name: 'ECDSA', hash: { name: 'SHA-256' } })
    expect(request.publicKey.algorithm).toMatchObject({ name: 'ECDSA', namedCurve: 'P-256' })
    expect(request.attributes).toHaveLength(1)
    expect(request.extensions).toHaveLength(1)
    // The extension of the specification's worked example (1.4), to the byte.
    const names = `3030${'0603551d11'}${'0101ff'}04263024${'8622'}${Buffer.from(identity).toString('hex')}`
    expect(Buffer.from(request.extensions[0]!.rawData).toString('hex')).toBe(names)
    expect(await request.verify()).toBe(true)
    expect(createPrivateKey(privateKey).asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' })
  })
})

describe('parseCertificates', () => {
  it('names the block that is no certificate', async () => {
    const { privateKey } = await createCsr('spiffe://td/ns/a/sa/b')
    expect(() => parseCertificates(privateKey)).toThrow('PEM block 1 is a PRIVATE KEY, expected a CERTIFICATE')
  })

  it('names the block that does not parse', () => {
    const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
    expect(() => parseCertificates(broken)).toThrow('PEM block 1 is no readable certificate')
  })
})
