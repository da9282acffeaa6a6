import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, credentials, Metadata, Server, ServerCredentials, status } from '@grpc/grpc-js'
import { createCsr, uriSans } from '@culvert/spiffe'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import {
  certificateServiceDefinition,
  createCaClient,
  createCertificateAuthority,
  createCertificateHandler,
  createCertificateManager,
  readCertificateChain,
  selfSignedRoot
} from './index.ts'

const day = 24 * 60 * 60
const cart = 'spiffe://acme.test/ns/shop/sa/cart'
const root = await selfSignedRoot({ organization: 'acme.test', ttlSeconds: 3650 * day })
const authority = await createCertificateAuthority({ signingCertificate: root.certificate, signingKey: root.key })

describe('the certificate service over gRPC', () => {
  const cleanUp: (() => void)[] = []
  afterEach(() => {
    for (const call of cleanUp.splice(0)) call()
  })

  /** A real server with TLS whose callers are told apart by their token: `<ns>/<sa>`. */
  async function serve(onCall: (metadata: Metadata, request: unknown) => void = () => {}): Promise<string> {
    const ca = authority
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
    ['none', { token: undefined }, 'signing gRPC error (UNAUTHENTICATED): request authenticate failure'],
    [
      'of an untrusted account',
      { token: 'shop/cart' },
      'signing gRPC error (UNAUTHENTICATED): request impersonation authentication failure'
    ]
  ])('refuses with a token %s', async (_, options, message) => {
    await expect(client(await serve(), options).fetch(cart)).rejects.toThrow(message)
  })

  it('[identity-ca-10, 11] judges the caller before the request', async () => {
    const address = await serve()
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

  describe('whose roots are in a file', () => {
    async function rootFile(content: string): Promise<string> {
      const folder = await mkdtemp(join(tmpdir(), 'culvert-certificates-'))
      onTestFinished(() => rm(folder, { recursive: true }))
      const path = join(folder, 'root-cert.pem')
      await writeFile(path, content)
      return path
    }

    it('trusts what the file says now', async () => {
      const other = await selfSignedRoot({ organization: 'other', ttlSeconds: day })
      const rootCa = await rootFile(other.certificate)
      const made = client(await serve(), { rootCa })
      await expect(made.fetch(cart)).rejects.toMatchObject({ code: 'CERTIFICATE_SIGNING' })
      await writeFile(rootCa, root.certificate)
      await made.fetch(cart)
      await writeFile(rootCa, other.certificate)
      await expect(made.fetch(cart)).rejects.toMatchObject({ code: 'CERTIFICATE_SIGNING' })
    })

    it('keeps the last channel while the file is gone or holds nothing, and takes the file when it is back', async () => {
      const rootCa = await rootFile(root.certificate)
      const made = client(await serve(), { rootCa })
      await made.fetch(cart)
      await rm(rootCa)
      await made.fetch(cart)
      for (const content of ['', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', root.certificate]) {
        await writeFile(rootCa, content)
        await made.fetch(cart)
      }
    })

    it('names a file that never was any good', async () => {
      const empty = await rootFile('')
      await expect(client('https://localhost:1', { rootCa: empty }).fetch(cart)).rejects.toMatchObject({
        code: 'CERTIFICATE_CONFIG',
        message: 'root certificates: there is no certificate'
      })
      await expect(client('https://localhost:1', { rootCa: '/nowhere/root.pem' }).fetch(cart)).rejects.toThrow(
        'cannot read root certificate file /nowhere/root.pem'
      )
    })
  })

  it('[identity-ca-26] keeps nothing of an answer for somebody else', async () => {
    const address = await serve()
    // Without impersonation the CA names the caller, whom this client does not ask for.
    const other = client(address, { token: 'shop/cart', impersonate: false })
    const manager = createCertificateManager({
      fetch: async identity => {
        const { certificateChain, privateKey, roots } = await other.fetch(identity)
        return readCertificateChain([...certificateChain, ...roots], identity, privateKey, identity)
      }
    })
    cleanUp.push(() => manager.close())
    const till = 'spiffe://acme.test/ns/shop/sa/till'
    await expect(manager.certificate(till)).rejects.toThrow(`did not find expected SAN: ${till}`)
    expect(manager.dump()).toMatchObject([{ identity: till, state: 'Unavailable' }])
    expect(manager.peek(till)).toBeUndefined()
  })

  it('names an address that is none', () => {
    expect(() => client('http://localhost:1')).toThrow("CA address 'http://localhost:1' is no https://host:port")
  })
})
