import { createServer as createTlsServer, type SecureContextOptions, type TLSSocket } from 'node:tls'
import { parseSpiffeId, uriSans } from '@culvert/spiffe'
import type { Logger } from '@culvert/telemetry'
import type { ListenAddress } from '../settings/arguments.ts'
import { listenOn } from './listen.ts'

export interface TlsIdentity {
  /** PEM. */
  readonly certificate: string
  readonly key: string
  /** Roots that client certificates must lead to. */
  readonly roots: string
  /** Revocation list; empty for none. */
  readonly crl: string
}

export interface TlsFront {
  listen(address: ListenAddress): Promise<ListenAddress>
  /** For new connections. */
  setIdentity(identity: TlsIdentity): void
  close(): void
}

const contextOptions = ({ certificate, key, roots, crl }: TlsIdentity): SecureContextOptions => ({
  cert: certificate,
  key,
  ca: roots,
  minVersion: 'TLSv1.2',
  ...(crl.trim() === '' ? {} : { crl })
})

/**
 * The TLS of port 15012: a client certificate is optional, but one that is given must verify, name exactly one SPIFFE
 * identity and be of our trust domain (docs/spec/identity-ca.md 3.1). grpc-js can only demand certificates or ignore bad
 * ones, so it gets its connections from here, already checked.
 */
export function createTlsFront(options: {
  readonly identity: TlsIdentity
  readonly trustDomain: string
  readonly onConnection: (socket: TLSSocket) => void
  readonly log: Logger
}): TlsFront {
  const { trustDomain, onConnection, log } = options
  const sockets = new Set<TLSSocket>()
  const server = createTlsServer({
    ...contextOptions(options.identity),
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
    handshakeTimeout: 10_000
  })

  function faultOf(socket: TLSSocket): string | undefined {
    const certificate = socket.getPeerX509Certificate()
    if (certificate === undefined) return undefined
    if (!socket.authorized) return `client certificate: ${String(socket.authorizationError)}`
    const names = uriSans(certificate)
    const identity = names.length === 1 ? parseSpiffeId(names[0]!) : undefined
    if (identity === undefined) return 'client certificate does not name exactly one SPIFFE identity'
    if (identity.trustDomain !== trustDomain) return 'client certificate is of another trust domain'
    return undefined
  }

  server.on('secureConnection', socket => {
    const fault = socket.alpnProtocol === 'h2' ? faultOf(socket) : 'the client does not speak HTTP/2'
    if (fault !== undefined) {
      log.warn(`refused connection from ${socket.remoteAddress ?? 'unknown'}: ${fault}`)
      socket.destroy()
      return
    }
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    onConnection(socket)
  })
  server.on('tlsClientError', (error, socket) => {
    log.debug(`TLS handshake with ${socket.remoteAddress ?? 'unknown'} failed: ${error.message}`)
    socket.destroy()
  })

  return {
    setIdentity: identity => server.setSecureContext(contextOptions(identity)),
    listen: address => listenOn(server, address),
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    }
  }
}
