import { createServer } from 'node:net'
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js'
import {
  type CertificateAuthority,
  certificateServiceDefinition,
  createCertificateAuthority,
  createCertificateHandler,
  selfSignedRoot
} from '@culvert/certificates'
import { createRevocationList } from '@culvert/certificates/testing'
import { listenTcp, type Netns } from '@culvert/netns'
import { createCsr } from '@culvert/spiffe'
import {
  type AddressMessage,
  type AuthorizationMessage,
  addressTypeUrl,
  authorizationTypeUrl,
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  discoveryServiceDefinition,
  encodeAddress,
  encodeAuthorization,
  type ResourceMessage,
  resourceVersion
} from '@culvert/workloads'
import ipaddr from 'ipaddr.js'

type Stream = ServerDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>

/** What istiod is to a node proxy, over TLS at 127.0.0.1:15012 of every namespace it is opened in. */
export interface ControlPlane extends AsyncDisposable {
  readonly rootCertificate: string
  /** A leaf of the mesh for anybody. */
  readonly sign: (csr: string, sans: readonly string[]) => Promise<string>
  /** Leaves come from here from now on. Its own TLS keeps the root it has. */
  readonly issueWith: (authority: CertificateAuthority) => void
  /** PEM, for these serial numbers (hexadecimal) of leaves that it issued itself. */
  readonly revocationList: (serialNumbers: readonly string[]) => Promise<string>
  readonly listen: (netns: Netns) => Promise<void>
  /** Replaces what is known; resolves when every connected proxy has taken it in. */
  readonly setAddresses: (addresses: ReadonlyMap<string, AddressMessage>) => Promise<void>
  readonly setPolicies: (policies: ReadonlyMap<string, AuthorizationMessage>) => Promise<void>
  /** Sends these bytes in place of a response, to every connected proxy. */
  readonly sendRaw: (bytes: Uint8Array) => void
  /** Streams that were ever opened. */
  readonly streamsOpened: () => number
  /** Answers of a type are held back until they are released. */
  readonly hold: (typeUrl: string) => () => void
  /** What proxies in on-demand mode asked for, in order; they hear of nothing else but their own node. */
  readonly demanded: readonly string[]
}

/** Certificates are for whom a node proxy names; for one that names nobody, for `caller`. */
export async function startControlPlane({ caller }: { readonly caller?: string } = {}): Promise<ControlPlane> {
  const root = await selfSignedRoot({ organization: 'cluster.local', ttlSeconds: 86_400 })
  let authority = await createCertificateAuthority({ signingCertificate: root.certificate, signingKey: root.key })
  const { csr, privateKey } = await createCsr('spiffe://cluster.local/ns/istio-system/sa/istiod')
  const [serving = ''] = await authority.sign({ csr, sans: ['127.0.0.1', 'localhost'], ttlSeconds: 3_600 })

  const state = {
    [addressTypeUrl]: new Map<string, Uint8Array>(),
    [authorizationTypeUrl]: new Map<string, Uint8Array>()
  }
  type TypeUrl = keyof typeof state
  const streams = new Map<Stream, Set<TypeUrl>>()
  const held = new Set<string>()
  const unacked = new Map<string, () => void>()
  let addresses: ReadonlyMap<string, AddressMessage> = new Map()
  const onDemand = new Set<Stream>()
  const demanded: string[] = []
  let nonce = 0
  let opened = 0

  const send = (
    stream: Stream,
    typeUrl: TypeUrl,
    removedResources: readonly string[],
    chosen: Iterable<string> = state[typeUrl].keys()
  ): Promise<void> => {
    const resources: ResourceMessage[] = [...chosen].map(name => {
      const value = state[typeUrl].get(name) ?? new Uint8Array()
      const aliases = onDemand.has(stream) ? aliasesOf(addresses.get(name)) : []
      return { name, version: resourceVersion(value), resource: { typeUrl, value }, aliases }
    })
    const own = String(++nonce)
    stream.write({ typeUrl, nonce: own, resources, removedResources })
    return new Promise(resolve => unacked.set(own, resolve))
  }
  /** Names and aliases, services with their workloads; always with those of node-1. */
  const answer = (stream: Stream, names: readonly string[]): void => {
    const found = (name: string): string[] =>
      [...addresses].filter(([key, message]) => key === name || aliasesOf(message).includes(name)).map(([key]) => key)
    const direct = names.flatMap(found)
    const members = [...addresses]
      .filter(([, { workload }]) => Object.keys(workload?.services ?? {}).some(service => direct.includes(service)))
      .map(([key]) => key)
    const local = [...addresses].filter(([, { workload }]) => workload?.node === 'node-1').map(([key]) => key)
    const unknown = names.filter(name => found(name).length === 0)
    void send(stream, addressTypeUrl, unknown, new Set([...direct, ...members, ...local]))
  }
  const subscribers = (typeUrl: TypeUrl): Stream[] =>
    [...streams]
      .filter(([stream, types]) => types.has(typeUrl) && !(typeUrl === addressTypeUrl && onDemand.has(stream)))
      .map(([s]) => s)
  const replace = async (typeUrl: TypeUrl, next: Map<string, Uint8Array>): Promise<void> => {
    const removed = [...state[typeUrl].keys()].filter(name => !next.has(name))
    state[typeUrl] = next
    if (held.has(typeUrl)) return
    await Promise.all(subscribers(typeUrl).map(stream => send(stream, typeUrl, removed)))
  }

  const { deltaAggregatedResources: delta } = discoveryServiceDefinition
  const responseSerialize = (response: DeltaDiscoveryResponse | Uint8Array): Buffer =>
    response instanceof Uint8Array ? Buffer.from(response) : delta.responseSerialize(response)
  const server = new Server()
  const service = { deltaAggregatedResources: { ...delta, responseSerialize } }
  server.addService(service, {
    deltaAggregatedResources: (stream: Stream) => {
      const types = new Set<TypeUrl>()
      streams.set(stream, types)
      opened++
      stream.on('data', (request: DeltaDiscoveryRequest) => {
        const typeUrl = request.typeUrl as TypeUrl
        unacked.get(request.responseNonce ?? '')?.()
        const names = request.resourceNamesSubscribe ?? []
        if (types.has(typeUrl)) {
          demanded.push(...names)
          if (names.length > 0) answer(stream, names)
          return
        }
        types.add(typeUrl)
        if (names.includes('*') && request.resourceNamesUnsubscribe?.includes('*')) {
          onDemand.add(stream)
          answer(stream, [])
          return
        }
        if (!held.has(typeUrl)) void send(stream, typeUrl, [])
      })
      for (const end of ['error', 'cancelled']) stream.on(end, () => streams.delete(stream))
      stream.on('end', () => {
        streams.delete(stream)
        stream.end()
      })
    }
  })
  server.addService(certificateServiceDefinition, {
    createCertificate: createCertificateHandler({
      authenticate: async () => 'node proxy',
      identities: () => (caller === undefined ? [] : [caller]),
      impersonate: () => ({ allowed: true }),
      authority: () => authority
    })
  })
  const credentials = ServerCredentials.createSsl(null, [
    { private_key: Buffer.from(privateKey), cert_chain: Buffer.from(serving) }
  ])
  const injector = server.createConnectionInjector(credentials)
  const listeners = new Map<Netns, ReturnType<typeof createServer>>()

  return {
    rootCertificate: root.certificate,
    sign: async (request, sans) => (await authority.sign({ csr: request, sans, ttlSeconds: 3_600 }))[0] ?? '',
    issueWith: next => {
      authority = next
    },
    revocationList: serialNumbers => createRevocationList({ issuer: root, serialNumbers }),
    listen: async netns => {
      if (listeners.has(netns)) return
      const { fd } = listenTcp(netns, { ip: '127.0.0.1', port: 15012 })
      const listener = createServer(socket => {
        socket.on('error', () => undefined)
        injector.injectConnection(socket)
      })
      listeners.set(netns, listener)
      await new Promise<void>(resolve => listener.listen({ fd }, resolve))
    },
    demanded,
    setAddresses: next => {
      addresses = next
      return replace(addressTypeUrl, new Map([...next].map(([name, message]) => [name, encodeAddress(message)])))
    },
    setPolicies: policies =>
      replace(
        authorizationTypeUrl,
        new Map([...policies].map(([name, message]) => [name, encodeAuthorization(message)]))
      ),
    streamsOpened: () => opened,
    sendRaw: bytes => {
      for (const stream of streams.keys()) stream.write(bytes as DeltaDiscoveryResponse)
    },
    hold: typeUrl => {
      held.add(typeUrl)
      return () => {
        held.delete(typeUrl)
        for (const stream of subscribers(typeUrl as TypeUrl)) void send(stream, typeUrl as TypeUrl, [])
      }
    },
    [Symbol.asyncDispose]: async () => {
      for (const listener of listeners.values()) listener.close()
      server.forceShutdown()
      injector.destroy()
    }
  }
}

/** As an on-demand client may ask for it: `<network>/<ip>`. */
function aliasesOf(message: AddressMessage | undefined): string[] {
  const { workload, service } = message ?? {}
  const text = (bytes: Uint8Array): string => ipaddr.fromByteArray([...bytes]).toString()
  return [
    ...(workload?.addresses ?? []).map(bytes => `${workload?.network ?? ''}/${text(bytes)}`),
    ...(service?.addresses ?? []).map(({ network = '', address = new Uint8Array(4) }) => `${network}/${text(address)}`)
  ]
}
