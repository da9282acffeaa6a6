import type { X509Certificate } from 'node:crypto'
import tls from 'node:tls'
import { CredentialCache, credentialError, type Credential, secureContextOptions } from './credential.ts'
import { HboneError } from './errors.ts'
import { checkServer, handshakeReason, spiffeIds } from './peer-check.ts'
import type { Side } from './side.ts'

const contexts = new CredentialCache(credential => {
  try {
    return tls.createSecureContext(secureContextOptions(credential))
  } catch (error) {
    throw credentialError(credential, error)
  }
})

export interface TlsClientOptions {
  readonly credential: Credential
  readonly expectedIdentities: readonly string[]
  /** Milliseconds; 0 or absent: none. */
  readonly handshakeTimeout?: number
  readonly signal?: AbortSignal | undefined
}

export interface SecuredConnection {
  readonly socket: tls.TLSSocket
  readonly peerIdentity: string | undefined
}

/**
 * The client's side of a tunnel's handshake over any byte stream. No server name is sent: who answers is checked by the
 * identity in its certificate alone, before a single byte of HTTP/2 goes out (docs/spec/hbone.md 1.1).
 */
export async function secureClient(carrier: Side, options: TlsClientOptions): Promise<SecuredConnection> {
  const secureContext = contexts.get(options.credential)
  return await new Promise((resolve, reject) => {
    const socket = tls.connect({
      socket: carrier.duplex,
      secureContext,
      ALPNProtocols: ['h2'],
      servername: '',
      // Judged in onSecure, before anything is sent: Node would destroy the carrier first and tell why afterwards.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined
    })
    // A tunnel has no half-closed state: when the peer ends it, it is over.
    socket.allowHalfOpen = false
    let timer: NodeJS.Timeout | undefined
    const settle = (): void => {
      clearTimeout(timer)
      options.signal?.removeEventListener('abort', onAbort)
      socket.off('secureConnect', onSecure)
      socket.off('close', onClose)
      carrier.duplex.off('close', onClose)
    }
    const fail = (error: HboneError): void => {
      settle()
      // Not from within a TLS event: Node 24 crashes when the socket under a handshake is closed in its callback.
      setImmediate(() => {
        // First, since the TLS layer would destroy a stream without resetting it.
        carrier.abandon()
        socket.destroy()
      })
      reject(error)
    }
    const onSecure = (): void => {
      const leaf = socket.getPeerX509Certificate()
      const problem = serverProblem(socket, leaf, options.expectedIdentities)
      if (problem !== undefined || leaf === undefined) {
        fail(new HboneError('HBONE_TLS', problem ?? NO_CERTIFICATE))
        return
      }
      settle()
      // For the same reason: whatever the caller does next may close this connection.
      setImmediate(() => resolve({ socket, peerIdentity: spiffeIds(leaf)[0] }))
    }
    const onClose = (): void => fail(new HboneError('HBONE_TLS', 'tls handshake eof'))
    const onAbort = (): void => fail(aborted(options.signal!))
    // Stays for the socket's life: an error that nobody listens to would end the process.
    socket.on('error', (error: Error & { readonly code?: string }) => {
      fail(error instanceof HboneError ? error : new HboneError('HBONE_TLS', handshakeReason(error), { cause: error }))
    })
    socket.on('secureConnect', onSecure)
    socket.on('close', onClose)
    carrier.duplex.on('close', onClose)
    options.signal?.addEventListener('abort', onAbort)
    if (options.handshakeTimeout) {
      timer = setTimeout(() => {
        fail(new HboneError('HBONE_HANDSHAKE_TIMEOUT', `no TLS handshake within ${options.handshakeTimeout} ms`))
      }, options.handshakeTimeout)
    }
    if (options.signal?.aborted) onAbort()
  })
}

const NO_CERTIFICATE = 'peer sent no certificates'

/** First the chain, then who the leaf names. */
function serverProblem(
  socket: tls.TLSSocket,
  leaf: X509Certificate | undefined,
  expectedIdentities: readonly string[]
): string | undefined {
  if (leaf === undefined) return NO_CERTIFICATE
  if (!socket.authorized) {
    const code = String(socket.authorizationError)
    return handshakeReason({ code, message: code })
  }
  return checkServer(leaf, expectedIdentities)
}

export function aborted(signal: AbortSignal): HboneError {
  return new HboneError('HBONE_ABORTED', 'given up before the stream was open', { cause: signal.reason })
}
