import { createServer } from 'node:net'
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
