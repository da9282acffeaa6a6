import { once } from 'node:events'
import http2 from 'node:http2'
import type net from 'node:net'
import type tls from 'node:tls'
import type { Credential, Endpoint } from '../data-path.ts'
import type { TestMesh } from './test-mesh.ts'

/** An HTTP/2 server that is none of ours, for what a foreign peer may do. */
export interface RawServer {
  readonly address: Endpoint
  readonly sessions: readonly http2.ServerHttp2Session[]
  /** The TCP sockets under its tunnels. */
  readonly sockets: readonly net.Socket[]
}

export async function rawServer(
  mesh: TestMesh,
  onStream: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void,
  options: tls.SecureContextOptions = {}
): Promise<RawServer> {
  const { stock } = mesh.identities
  const server = http2.createSecureServer({ ...tlsOf(stock), requestCert: true, ...options })
  const sessions: http2.ServerHttp2Session[] = []
  const sockets: net.Socket[] = []
  server.on('connection', socket => sockets.push(socket))
  server.on('session', session => {
    sessions.push(session)
    session.on('error', () => {})
  })
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    onStream(stream, headers)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  mesh.onCleanup(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return { sessions, sockets, address: { ip: '127.0.0.1', port: (server.address() as net.AddressInfo).port } }
}

/** An HTTP/2 client that is none of ours. */
export async function rawClient(
  mesh: TestMesh,
  to: Endpoint,
  credential?: Credential
): Promise<http2.ClientHttp2Session> {
  const identity = credential ?? mesh.identities.cart
  const session = http2.connect(`https://127.0.0.1:${to.port}`, {
    ...tlsOf(identity),
    checkServerIdentity: () => undefined
  })
  session.on('error', () => {})
  mesh.onCleanup(() => session.destroy())
  await once(session, 'connect')
  return session
}

function tlsOf({ certificateChain, privateKey, roots }: Credential): { cert: string; key: string; ca: string } {
  return { cert: certificateChain, key: privateKey, ca: roots }
}
