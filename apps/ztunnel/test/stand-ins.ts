import { once } from 'node:events'
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { createServer, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { createHboneServer, type Credential, type HboneServerStream } from '@culvert/hbone'
import { listenTcp } from '@culvert/netns'
import { createCsr } from '@culvert/spiffe'
import type { ControlPlane } from './control-plane.ts'
import type { TestPod } from './pods.ts'

/** A certificate of the mesh for anybody. */
export async function credentialOf(controlPlane: ControlPlane, identity: string): Promise<Credential> {
  const { csr, privateKey } = await createCsr(identity)
  return {
    id: identity,
    certificateChain: await controlPlane.sign(csr, [identity]),
    privateKey,
    roots: controlPlane.rootCertificate,
    trustDomain: undefined
  }
}

/** An HBONE server in a pod that is no ztunnel. */
export async function standIn(
  controlPlane: ControlPlane,
  { pod, port = 15008, identity }: { readonly pod: TestPod; readonly port?: number; readonly identity: string },
  onStream: (stream: HboneServerStream) => void
): Promise<AsyncDisposable & { readonly handshakeFailures: readonly string[] }> {
  const credential = await credentialOf(controlPlane, identity)
  const handshakeFailures: string[] = []
  const server = createHboneServer({
    credential: () => credential,
    onStream,
    onHandshakeFailed: ({ message }) => handshakeFailures.push(message)
  })
  const { fd } = listenTcp(pod.netns, { ip: '0.0.0.0', port })
  const listener = createServer({ allowHalfOpen: true, pauseOnConnect: true }, socket => server.accept(socket))
  await new Promise<void>(resolve => listener.listen({ fd }, resolve))
  return {
    handshakeFailures,
    [Symbol.asyncDispose]: async () => {
      listener.close()
      await server.close()
    }
  }
}

/** A tunnel from a pod to port 15008 of another that no ztunnel made. */
export async function openTunnel(
  controlPlane: ControlPlane,
  { from, to, identity }: { readonly from: TestPod; readonly to: TestPod; readonly identity: string }
): Promise<{ readonly session: ClientHttp2Session; readonly socket: Socket }> {
  const { certificateChain: cert, privateKey: key } = await credentialOf(controlPlane, identity)
  const socket = await from.connect(to.ip, 15008)
  const tls = connectTls({ socket, cert, key, ALPNProtocols: ['h2'], rejectUnauthorized: false })
  await once(tls, 'secureConnect')
  const session = connectHttp2('https://x', { createConnection: () => tls })
  session.on('error', () => undefined)
  await once(session, 'remoteSettings')
  return { session, socket }
}
