import { once } from 'node:events'
import net from 'node:net'
import { createTestAuthority, type TestAuthority } from '@culvert/hbone/testing'
import type { Credential, DataPath, Direct, Endpoint, Hop, Tunnel } from '../data-path.ts'
import { TestPod, type TestPodOptions } from './test-pod.ts'

export const CART = 'spiffe://mesh.test/ns/shop/sa/cart'
export const STOCK = 'spiffe://mesh.test/ns/shop/sa/stock'

/** Certificates for both ends; made once per suite. */
export interface TestIdentities {
  readonly authority: TestAuthority
  readonly cart: Credential
  readonly stock: Credential
}

export async function createTestIdentities(): Promise<TestIdentities> {
  const authority = await createTestAuthority()
  const [cart, stock] = await Promise.all([authority.issue(CART), authority.issue(STOCK)])
  return { authority, cart, stock }
}

/** Two pods on the loopback address: what `client` accepts goes through a tunnel to `server` and on to an application. */
export class TestMesh {
  readonly identities: TestIdentities
  readonly dataPath: DataPath
  /** Of `server`: another implementation when a suite runs across two. */
  readonly serverDataPath: DataPath
  readonly #cleanups: (() => unknown)[] = []
  readonly #sockets = new Set<net.Socket>()

  constructor(identities: TestIdentities, dataPath: DataPath, serverDataPath: DataPath = dataPath) {
    this.dataPath = dataPath
    this.serverDataPath = serverDataPath
    this.identities = identities
    this.onCleanup(() => Promise.all([dataPath.close(), serverDataPath.close()]))
    this.onCleanup(() => {
      for (const socket of this.#sockets) socket.destroy()
    })
  }

  onCleanup(call: () => unknown): void {
    this.#cleanups.push(call)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const cleanup of this.#cleanups.splice(0).reverse()) await cleanup()
  }

  pod(options: TestPodOptions = {}): Promise<TestPod> {
    return TestPod.open(this.dataPath, options)
  }

  /** A pod whose captured connections all go through a tunnel to `to`. */
  client(
    to: () => Endpoint,
    application: Endpoint,
    options: TestPodOptions & { readonly hop?: Partial<Hop> } = {}
  ): Promise<TestPod> {
    return this.pod({ connection: () => this.tunnel(to(), application, options.hop), ...options })
  }

  /** A pod that lets everybody through to the IP and port of the authority. */
  server(options: TestPodOptions = {}): Promise<TestPod> {
    return TestPod.open(this.serverDataPath, {
      credential: this.identities.stock,
      stream: ({ authority = '' }) =>
        direct(endpointOf(authority), { responseHeaders: [['baggage', 'service.name=stock']] }),
      ...options
    })
  }

  tunnel(to: Endpoint, application: Endpoint, hop: Partial<Hop> = {}): Tunnel {
    return {
      kind: 'tunnel',
      to,
      outer: {
        authority: `${application.ip}:${application.port}`,
        headers: [['baggage', 'service.name=cart']],
        credential: this.identities.cart,
        expectedIdentities: [STOCK],
        identity: CART,
        applicationIp: '127.0.0.1',
        ...hop
      }
    }
  }

  /** An application: a TCP server on a port of the kernel's choice. */
  async application(serve: (socket: net.Socket) => void): Promise<Endpoint> {
    const sockets = new Set<net.Socket>()
    const server = net.createServer({ allowHalfOpen: true }, socket => {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => sockets.delete(socket))
      serve(socket)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    this.onCleanup(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    return { ip: '127.0.0.1', port: (server.address() as net.AddressInfo).port }
  }

  /** Connects to a pod's listener as an application would whose connection was captured. */
  async connect(to: Endpoint): Promise<net.Socket> {
    const socket = net.connect({ host: to.ip, port: to.port, allowHalfOpen: true })
    socket.on('error', () => {})
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    await once(socket, 'connect')
    return socket
  }
}

export function direct(to: Endpoint, more: Partial<Direct> = {}): Direct {
  return { kind: 'direct', to, ...more }
}

function endpointOf(authority: string): Endpoint {
  const colon = authority.lastIndexOf(':')
  return { ip: authority.slice(0, colon), port: Number(authority.slice(colon + 1)) }
}

/** An application that sends back what it gets, its end included. */
export function echo(socket: net.Socket): void {
  socket.pipe(socket)
}

/** Everything until its end; then the socket is destroyed. */
export async function readAll(socket: net.Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** Everything until its end; what is sent to it stays the test's to end. */
export async function readToEnd(socket: net.Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk))
  await once(socket, 'end')
  return Buffer.concat(chunks)
}
