import { X509Certificate } from 'node:crypto'
import { Metadata, Server, ServerCredentials, status } from '@grpc/grpc-js'
import { createCsr, parseCertificates, uriSans } from '@culvert/spiffe'
import { afterEach, describe, expect, it } from 'vitest'
import {
  type CertificateAuthority,
  type CertificateAuthorityOptions,
  certificateServiceDefinition,
  createCaClient,
  createCertificateAuthority,
  createCertificateHandler,
  selfSignedRoot
} from './index.ts'
import * as x509 from './x509.ts'

const day = 24 * 60 * 60
const cart = 'spiffe://acme.test/ns/shop/sa/cart'
const root = await selfSignedRoot({ organization: 'acme.test', ttlSeconds: 3650 * day })

const authority = (options: Partial<CertificateAuthorityOptions> = {}): Promise<CertificateAuthority> =>
  createCertificateAuthority({
    signingCertificate: root.certificate,
    signingKey: root.key,
    chain: '',
    rootBundle: root.certificate,
    ...options
  })

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

describe('the certificate service over gRPC', () => {
  const cleanUp: (() => void)[] = []
  afterEach(() => {
    for (const call of cleanUp.splice(0)) call()
  })

  /** A real server with TLS whose callers are told apart by their token: `<ns>/<sa>`. */
  async function serve(onCall: (metadata: Metadata, request: unknown) => void = () => {}): Promise<string> {
    const ca = await authority()
    const { csr, privateKey } = await createCsr('unused')
    const [serving] = await ca.sign({ csr, sans: ['localhost'], ttlSeconds: 3600 })
    const server = new Server()
    server.addService(certificateServiceDefinition, {
      createCertificate: createCertificateHandler<string>({
        authenticate: async call => {
          onCall(call.metadata, call.request)
          return /^Bearer (.+\/.+)$/.exec(String(call.metadata.get('authorization')[0]))?.[1]
        },
        identities: caller => [`spiffe://acme.test/ns/${caller.replace('/', '/sa/')}`],
        impersonate: caller =>
          caller === 'istio-system/ztunnel' ? { allowed: true } : { allowed: false, reason: 'not trusted' },
        authority: () => ca
      })
    })
    const tls = ServerCredentials.createSsl(null, [
      { private_key: Buffer.from(privateKey), cert_chain: Buffer.from(serving!) }
    ])
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', tls, (error, bound) => (error ? reject(error) : resolve(bound)))
    )
    cleanUp.push(() => server.forceShutdown())
    return `https://localhost:${port}`
  }

  function client(
    address: string,
    options: Partial<Parameters<typeof createCaClient>[0]> = {}
  ): ReturnType<typeof createCaClient> {
    const made = createCaClient({
      address,
      rootCa: root.certificate,
      token: 'istio-system/ztunnel',
      clusterId: 'west',
      ttlSeconds: day,
      impersonate: true,
      ...options
    })
    cleanUp.push(() => made.close())
    return made
  }

  it('[identity-ca-4] sends token, cluster, lifetime and the wanted identity, and takes the answer', async () => {
    const seen: { metadata: Metadata; request: unknown }[] = []
    const address = await serve((metadata, request) => seen.push({ metadata, request }))
    const certificate = await client(address).fetch(cart)
    expect(uriSans(new X509Certificate(certificate.certificateChain[0]!))).toEqual([cart])
    expect(certificate.roots).toEqual([root.certificate])
    expect(seen[0]!.metadata.get('authorization')).toEqual(['Bearer istio-system/ztunnel'])
    expect(seen[0]!.metadata.get('clusterid')).toEqual(['west'])
    expect(seen[0]!.request).toMatchObject({ validitySeconds: 86400, impersonatedIdentity: cart })
  })

  it('gives a caller its own identity without impersonation', async () => {
    const certificate = await client(await serve(), { token: 'shop/cart', impersonate: false }).fetch('ignored')
    expect(uriSans(new X509Certificate(certificate.certificateChain[0]!))).toEqual([cart])
  })

  it.each([
    ['none', { token: undefined }, `(${status.UNAUTHENTICATED}): request authenticate failure`],
    [
      'of an untrusted account',
      { token: 'shop/cart' },
      `(${status.UNAUTHENTICATED}): request impersonation authentication failure`
    ]
  ])('refuses with a token %s', async (_, options, message) => {
    await expect(client(await serve(), options).fetch(cart)).rejects.toThrow(message)
  })

  it('[identity-ca-10, 11] judges the caller before the request', async () => {
    const address = await serve()
    const { Client, credentials } = await import('@grpc/grpc-js')
    const raw = new Client(address.slice('https://'.length), credentials.createSsl(Buffer.from(root.certificate)))
    cleanUp.push(() => raw.close())
    const { createCertificate } = certificateServiceDefinition
    const code = (token: string): Promise<number | undefined> =>
      new Promise(resolve => {
        const metadata = new Metadata()
        if (token) metadata.set('authorization', `Bearer ${token}`)
        const message = { csr: 'broken', validitySeconds: 0, impersonatedIdentity: undefined }
        const { path, requestSerialize, responseDeserialize } = createCertificate!
        raw.makeUnaryRequest(path, requestSerialize, responseDeserialize, message, metadata, error =>
          resolve(error?.code)
        )
      })
    expect(await code('')).toBe(status.UNAUTHENTICATED)
    expect(await code('shop/cart')).toBe(status.INVALID_ARGUMENT)
  })

  it('checks the server by the second name when the first does not match', async () => {
    const address = (await serve()).replace('localhost', '127.0.0.1')
    await expect(client(address).fetch(cart)).rejects.toMatchObject({ code: 'CERTIFICATE_SIGNING' })
    await client(address, { altHostname: 'localhost' }).fetch(cart)
  })

  it.each([
    ['', 'is empty'],
    ['token\n', 'holds characters that no HTTP header may have']
  ])('names a token that cannot be sent: %j', async (token, message) => {
    await expect(client('https://localhost:1', { token }).fetch(cart)).rejects.toThrow(message)
  })

  it('names an address that is none', () => {
    expect(() => client('http://localhost:1')).toThrow("CA address 'http://localhost:1' is no https://host:port")
  })
})
