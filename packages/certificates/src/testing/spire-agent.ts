import { createPrivateKey, X509Certificate } from 'node:crypto'
import { Server, ServerCredentials, type ServerWritableStream, status } from '@grpc/grpc-js'
import { createCsr } from '@culvert/spiffe'
import { createCertificateAuthority } from '../certificate-authority.ts'
import { selfSignedRoot } from '../self-signed-root.ts'
import {
  type BundlesResponse,
  delegatedIdentityDefinition,
  type Selector,
  type SvidMessage,
  type SvidsResponse
} from '../spire/delegated-identity.ts'

/** A trust domain that issues SVIDs as a SPIRE server does. */
export interface TestTrustDomain {
  readonly name: string
  /** DER. */
  readonly root: Uint8Array
  readonly svid: (
    path: string,
    options?: { readonly ttlSeconds?: number; readonly named?: string }
  ) => Promise<SvidMessage>
}

export async function createTestTrustDomain(name: string): Promise<TestTrustDomain> {
  const root = await selfSignedRoot({ organization: name, ttlSeconds: 86_400 })
  const authority = await createCertificateAuthority({ signingCertificate: root.certificate, signingKey: root.key })
  return {
    name,
    root: new X509Certificate(root.certificate).raw,
    svid: async (path, { ttlSeconds = 3_600, named = path } = {}) => {
      const { csr, privateKey } = await createCsr(`spiffe://${name}${named}`)
      const [leaf = ''] = await authority.sign({ csr, sans: [`spiffe://${name}${named}`], ttlSeconds })
      return {
        x509Svid: { certChain: [new X509Certificate(leaf).raw], id: { trustDomain: name, path } },
        x509SvidKey: createPrivateKey(privateKey).export({ type: 'pkcs8', format: 'der' })
      }
    }
  }
}

type SvidStream = ServerWritableStream<{ readonly selectors: readonly Selector[] }, SvidsResponse>

/** A SPIRE agent's Delegated Identity API, on a socket; answers as a test says. */
export interface TestSpireAgent {
  /** Selectors of the subscriptions that are open, `type:value`. */
  readonly subscriptions: () => readonly (readonly string[])[]
  /** Metadata keys of every call so far, those of gRPC itself aside. */
  readonly headers: readonly string[]
  /** What pods get whose selectors include this one; tells those that are subscribed. */
  readonly set: (selector: string, svids: readonly SvidMessage[]) => void
  readonly setBundles: (bundles: Readonly<Record<string, Uint8Array>>) => void
  /** Ends every stream; with `failing` also those to come, until it is called without. */
  readonly cut: (failing?: { readonly code: status; readonly details: string }) => void
  readonly calls: () => number
  readonly close: () => void
}

export async function startTestSpireAgent(socket: string): Promise<TestSpireAgent> {
  const svidStreams = new Set<SvidStream>()
  const bundleStreams = new Set<ServerWritableStream<object, BundlesResponse>>()
  const answers = new Map<string, readonly SvidMessage[]>()
  const headers: string[] = []
  let bundles: Readonly<Record<string, Uint8Array>> | undefined
  let failing: { readonly code: status; readonly details: string } | undefined
  let calls = 0

  const selectors = (stream: SvidStream): string[] =>
    stream.request.selectors.map(({ type, value }) => `${type}:${value}`)
  const answer = (stream: SvidStream): void => {
    const found = selectors(stream).flatMap(selector => answers.get(selector) ?? [])
    stream.write({ x509Svids: found })
  }
  function accept<Stream extends SvidStream | ServerWritableStream<object, BundlesResponse>>(
    stream: Stream,
    open: Set<Stream>
  ): boolean {
    calls += 1
    headers.push(...Object.keys(stream.metadata.getMap()).filter(name => name !== 'user-agent'))
    stream.on('error', () => open.delete(stream))
    stream.on('cancelled', () => open.delete(stream))
    if (failing === undefined) {
      open.add(stream)
      return true
    }
    stream.emit('error', failing)
    return false
  }

  const server = new Server()
  server.addService(delegatedIdentityDefinition, {
    subscribeToX509Svids: (stream: SvidStream) => {
      if (accept(stream, svidStreams)) answer(stream)
    },
    subscribeToX509Bundles: (stream: ServerWritableStream<object, BundlesResponse>) => {
      if (accept(stream, bundleStreams) && bundles !== undefined) stream.write({ caCertificates: bundles })
    }
  })
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix://${socket}`, ServerCredentials.createInsecure(), error =>
      error === null ? resolve() : reject(error)
    )
  )
  return {
    subscriptions: () => [...svidStreams].map(selectors),
    headers,
    set(selector, svids) {
      answers.set(selector, svids)
      for (const stream of svidStreams) if (selectors(stream).includes(selector)) answer(stream)
    },
    setBundles(next) {
      bundles = next
      for (const stream of bundleStreams) stream.write({ caCertificates: next })
    },
    cut(next) {
      failing = next
      const error = next ?? { code: status.UNAVAILABLE, details: 'going away' }
      for (const stream of [...svidStreams, ...bundleStreams]) stream.emit('error', error)
      svidStreams.clear()
      bundleStreams.clear()
    },
    calls: () => calls,
    close: () => server.forceShutdown()
  }
}
