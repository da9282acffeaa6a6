import { once } from 'node:events'
import { createServer, type Server as TcpServer, type Socket } from 'node:net'
import { createCertificateAuthority, selfSignedRoot } from '@culvert/certificates'
import { listenTcp, type Netns } from '@culvert/netns'
import { createCsr } from '@culvert/spiffe'
import {
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  discoveryServiceDefinition,
  type ResourceMessage
} from '@culvert/workloads'
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js'
import { BenchError } from '../errors.ts'

type Stream = ServerDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>

/** A control plane of which we decide every message; at https://localhost:15012 of one network namespace. */
export interface PlayedDiscovery extends AsyncDisposable {
  /** PEM. */
  readonly roots: string
  readonly listen: (netns: Netns) => Promise<void>
  /** Resolves when it is acknowledged. @throws BenchError BENCH_REFUSED when it is refused. */
  readonly send: (typeUrl: string, resources: readonly ResourceMessage[]) => Promise<void>
  /** Cuts the connection; resolves when the proxy has one again and has taken what is sent to a new one. */
  readonly reconnect: () => Promise<void>
}

export const discoveryAddress = 'https://localhost:15012'

/** `initial`: what is sent to the one that asks for this type, on every connection. */
export async function playDiscovery(
  initial: (typeUrl: string) => readonly ResourceMessage[]
): Promise<PlayedDiscovery> {
  const root = await selfSignedRoot({ organization: 'cluster.local', ttlSeconds: 86_400 })
  const { certificate, key } = root
  const authority = await createCertificateAuthority({ signingCertificate: certificate, signingKey: key })
  const { csr, privateKey } = await createCsr('spiffe://cluster.local/ns/istio-system/sa/istiod')
  const [serving = ''] = await authority.sign({ csr, sans: ['localhost'], ttlSeconds: 3_600 })

  let current: Stream | undefined
  let nonces = 0
  const waiting = new Map<string, PromiseWithResolvers<void>>()
  const synced = { types: new Set<string>(), done: Promise.withResolvers<void>() }

  function send(stream: Stream, typeUrl: string, resources: readonly ResourceMessage[]): Promise<void> {
    const nonce = String(++nonces)
    const answered = Promise.withResolvers<void>()
    waiting.set(nonce, answered)
    stream.write({ typeUrl, nonce, resources })
    return answered.promise
  }

  async function open(stream: Stream, typeUrl: string): Promise<void> {
    await send(stream, typeUrl, initial(typeUrl))
    synced.types.add(typeUrl)
    if (synced.types.size === 2) synced.done.resolve()
  }

  const server = new Server({ 'grpc.max_receive_message_length': 16 * 1024 * 1024 })
  server.addService(discoveryServiceDefinition, {
    deltaAggregatedResources: (stream: Stream) => {
      current = stream
      const types = new Set<string>()
      stream.on('data', ({ typeUrl = '', responseNonce = '', errorDetail }: DeltaDiscoveryRequest) => {
        const answered = waiting.get(responseNonce)
        waiting.delete(responseNonce)
        if (errorDetail === undefined) answered?.resolve()
        else answered?.reject(new BenchError('BENCH_REFUSED', `resources were refused: ${errorDetail.message}`))
        if (types.has(typeUrl)) return
        types.add(typeUrl)
        open(stream, typeUrl).catch(synced.done.reject)
      })
      stream.on('error', () => undefined)
      stream.on('end', () => stream.end())
    }
  })
  const injector = server.createConnectionInjector(
    ServerCredentials.createSsl(null, [{ private_key: Buffer.from(privateKey), cert_chain: Buffer.from(serving) }])
  )
  const sockets = new Set<Socket>()
  let listener: TcpServer | undefined

  return {
    roots: certificate,
    listen: async netns => {
      const { fd } = listenTcp(netns, { ip: '127.0.0.1', port: Number(new URL(discoveryAddress).port) })
      listener = createServer(socket => {
        sockets.add(socket)
        socket.on('close', () => sockets.delete(socket))
        socket.on('error', () => undefined)
        injector.injectConnection(socket)
      })
      listener.listen({ fd })
      await once(listener, 'listening')
    },
    send: async (typeUrl, resources) => {
      if (current === undefined) throw new BenchError('BENCH_REFUSED', 'the proxy has not asked for anything')
      await send(current, typeUrl, resources)
    },
    reconnect: async () => {
      synced.types.clear()
      synced.done = Promise.withResolvers()
      for (const socket of sockets) socket.destroy()
      await synced.done.promise
    },
    [Symbol.asyncDispose]: async () => {
      listener?.close()
      server.forceShutdown()
      injector.destroy()
      for (const socket of sockets) socket.destroy()
    }
  }
}
