import type net from 'node:net'
import tls from 'node:tls'
import { CredentialCache, credentialError, type Credential, secureContextOptions } from './credential.ts'
import { HboneError } from './errors.ts'
import { checkClient, handshakeReason, spiffeIds } from './peer-check.ts'
import type { SecuredConnection } from './tls-client.ts'

// Node insists on a handshake timeout for servers; the longest timer there is stands for none.
const NO_TIMEOUT = 2_147_483_647

/**
 * One TLS server that never listens and has one handshake at a time: only so do its events, which name no connection
 * that already failed, belong to a known one. Servers wait here for the next handshake with the same credential.
 */
interface Handshaker {
  readonly server: tls.Server
  settled: ((error: NodeJS.ErrnoException | undefined, socket: tls.TLSSocket) => void) | undefined
}

const IDLE_HANDSHAKERS = 8

const idle = new CredentialCache<Handshaker[]>(() => [])

export interface TlsServerOptions {
  readonly credential: Credential
  /** Milliseconds; 0 or absent: none. */
  readonly handshakeTimeout?: number
}

/** The server's side of a tunnel's handshake. The client must show a certificate of our trust domain. */
export async function secureServer(raw: net.Socket, options: TlsServerOptions): Promise<SecuredConnection> {
  const waiting = idle.get(options.credential)
  const handshaker = waiting.pop() ?? createHandshaker(options.credential)
  try {
    return await handshake(handshaker, raw, options)
  } finally {
    handshaker.settled = undefined
    if (waiting.length < IDLE_HANDSHAKERS) waiting.push(handshaker)
  }
}

function handshake(handshaker: Handshaker, raw: net.Socket, options: TlsServerOptions): Promise<SecuredConnection> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined
    let done = false
    const fail = (error: HboneError): void => {
      if (done) return
      done = true
      clearTimeout(timer)
      // Not from within a TLS event: Node 24 crashes when the socket under a handshake is closed in its callback.
      setImmediate(() => raw.destroy())
      reject(error)
    }
    handshaker.settled = (error, socket) => {
      // An error that nobody listens to would end the process; what it means is told by the session later.
      socket.on('error', () => {})
      if (done) return void socket.destroy()
      if (error !== undefined) return fail(handshakeError(error, socket))
      const leaf = socket.getPeerX509Certificate()
      const problem =
        leaf === undefined ? 'peer sent no certificates' : checkClient(leaf, options.credential.trustDomain)
      if (problem !== undefined) {
        return fail(new HboneError('HBONE_TLS', problem))
      }
      done = true
      clearTimeout(timer)
      // For the same reason: whatever the caller does next may close this connection.
      setImmediate(() => resolve({ socket, peerIdentity: spiffeIds(leaf!)[0] }))
    }
    // A tunnel has no half-closed state: when the peer ends it, it is over. The TLS socket takes this over.
    raw.allowHalfOpen = false
    raw.on('error', () => {})
    // A turn later: a certificate that does not verify closes this socket first and is told after.
    raw.once('close', () => setImmediate(() => fail(new HboneError('HBONE_TLS', 'tls handshake eof'))))
    if (options.handshakeTimeout) {
      timer = setTimeout(() => {
        fail(new HboneError('HBONE_HANDSHAKE_TIMEOUT', `no TLS handshake within ${options.handshakeTimeout} ms`))
      }, options.handshakeTimeout)
    }
    handshaker.server.emit('connection', raw)
  })
}

function handshakeError(error: NodeJS.ErrnoException, socket: tls.TLSSocket): HboneError {
  // A certificate that does not verify shows as a connection closed by Node itself, with the reason beside it.
  const code = (socket.authorizationError as unknown as string | undefined) ?? error.code
  const reason = handshakeReason({ message: error.message, ...(code === undefined ? {} : { code }) })
  return new HboneError('HBONE_TLS', reason, { cause: error })
}

function createHandshaker(credential: Credential): Handshaker {
  try {
    const server = tls.createServer({
      ...secureContextOptions(credential),
      ALPNProtocols: ['h2'],
      requestCert: true,
      rejectUnauthorized: true,
      handshakeTimeout: NO_TIMEOUT
    })
    const handshaker: Handshaker = { server, settled: undefined }
    server.on('secureConnection', socket => handshaker.settled?.(undefined, socket))
    server.on('tlsClientError', (error, socket) => handshaker.settled?.(error, socket))
    return handshaker
  } catch (error) {
    throw credentialError(credential, error)
  }
}
