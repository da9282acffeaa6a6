import { X509Certificate } from 'node:crypto'
import { createServer, type Server as NetServer, type Socket } from 'node:net'
import { certificateServiceDefinition } from '@culvert/certificates'
import type { Logger } from '@culvert/telemetry'
import { discoveryServiceDefinition } from '@culvert/workloads'
import { type Metadata, Server, ServerCredentials, type ServerOptions, type UntypedHandleCall } from '@grpc/grpc-js'
import type { ListenAddress } from '../settings/arguments.ts'
import { listenOn } from './listen.ts'
import { createTlsFront, type TlsFront, type TlsIdentity } from './tls-front.ts'

export interface GrpcHandlers {
  /** Delta ADS; with `authenticated` false it serves the plaintext port. */
  readonly discovery: (authenticated: boolean) => UntypedHandleCall
  /** How far the clients of `discovery` are. */
  readonly status: (authenticated: boolean) => UntypedHandleCall
  /** Undefined: no certificate service anywhere. */
  readonly certificates: UntypedHandleCall | undefined
}

export interface GrpcServers {
  listenPlain(address: ListenAddress): Promise<ListenAddress>
  listenSecure(address: ListenAddress, identity: TlsIdentity): Promise<ListenAddress>
  setIdentity(identity: TlsIdentity): void
  /** Stops accepting, lets calls end until the deadline, cuts the rest. */
  drain(options: { deadline: AbortSignal }): Promise<void>
}

/** docs/spec/workload-xds.md 1.1, server side. */
function serverOptions(maxConnectionAgeMs: number): ServerOptions {
  return {
    'grpc.max_receive_message_length': 4 * 1024 * 1024,
    'grpc.max_send_message_length': -1,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.max_connection_age_ms': maxConnectionAgeMs,
    'grpc.max_connection_age_grace_ms': 10_000
  }
}

/** What of a call says who calls. */
export interface AuthenticatedCall {
  readonly metadata: Metadata
  readonly getAuthContext: () => { sslPeerCertificate?: { raw: Buffer } }
}

/** The verified client certificate of a call; undefined when none was shown, or the connection is plaintext. */
export function clientCertificate(call: AuthenticatedCall): X509Certificate | undefined {
  const peer = call.getAuthContext().sslPeerCertificate
  return peer === undefined ? undefined : new X509Certificate(peer.raw)
}

/** 15010 without and 15012 with TLS. Certificates are signed on the latter only. */
export function createGrpcServers(options: {
  readonly handlers: GrpcHandlers
  readonly maxConnectionAgeMs: number
  readonly trustDomain: string
  readonly log: Logger
}): GrpcServers {
  const { handlers, trustDomain, log } = options
  const grpcOptions = serverOptions(options.maxConnectionAgeMs)
  const servers: Server[] = []
  let front: TlsFront | undefined
  let plain: NetServer | undefined
  const plainSockets = new Set<Socket>()

  function makeServer(authenticated: boolean): Server {
    const server = new Server(grpcOptions)
    server.addService(discoveryServiceDefinition, {
      deltaAggregatedResources: handlers.discovery(authenticated),
      streamAggregatedResources: handlers.status(authenticated)
    })
    if (authenticated && handlers.certificates !== undefined) {
      server.addService(certificateServiceDefinition, { createCertificate: handlers.certificates })
    }
    servers.push(server)
    return server
  }

  return {
    async listenPlain(address) {
      const injector = makeServer(false).createConnectionInjector(ServerCredentials.createInsecure())
      plain = createServer(socket => {
        plainSockets.add(socket)
        socket.once('close', () => plainSockets.delete(socket))
        socket.on('error', error => log.debug(`plaintext connection: ${error.message}`))
        injector.injectConnection(socket)
      })
      return listenOn(plain, address)
    },
    async listenSecure(address, identity) {
      const injector = makeServer(true).createConnectionInjector(ServerCredentials.createInsecure())
      front = createTlsFront({
        identity,
        trustDomain,
        onConnection: socket => injector.injectConnection(socket),
        log
      })
      return front.listen(address)
    },
    setIdentity: identity => front?.setIdentity(identity),
    async drain({ deadline }) {
      const ended = Promise.all(
        servers.map(server => new Promise<void>(resolve => server.tryShutdown(() => resolve())))
      )
      const cut = new Promise<void>(resolve => {
        if (deadline.aborted) return resolve()
        deadline.addEventListener('abort', () => resolve(), { once: true })
      })
      await Promise.race([ended, cut])
      for (const server of servers) server.forceShutdown()
      front?.close()
      plain?.close()
      for (const socket of plainSockets) socket.destroy()
    }
  }
}
