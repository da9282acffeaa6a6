import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import {
  type Credential,
  createHboneServer,
  createTunnelPool,
  type HboneServer,
  type HboneServerOptions,
  type HboneServerStream,
  type TunnelPool,
  type TunnelPoolOptions,
  type TunnelRequest
} from '../index.ts'
import { createTestAuthority, type TestAuthority } from './test-certificates.ts'

export const CART = 'spiffe://mesh.test/ns/shop/sa/cart'
export const STOCK = 'spiffe://mesh.test/ns/shop/sa/stock'

/** Servers and pools of one test, with certificates; disposing closes them. */
export class HboneFixture {
  readonly authority: TestAuthority
  readonly cart: Credential
  readonly stock: Credential
  readonly #cleanups: (() => unknown)[] = []

  constructor(authority: TestAuthority, cart: Credential, stock: Credential) {
    this.authority = authority
    this.cart = cart
    this.stock = stock
  }

  static async create(): Promise<HboneFixture> {
    const authority = await createTestAuthority()
    return new HboneFixture(authority, await authority.issue(CART), await authority.issue(STOCK))
  }

  onCleanup(call: () => unknown): void {
    this.#cleanups.push(call)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const cleanup of this.#cleanups.splice(0).reverse()) await cleanup()
  }

  async serve(options: Partial<HboneServerOptions> = {}): Promise<{ server: HboneServer; port: number }> {
    const server = createHboneServer({ credential: () => this.stock, onStream: echo, ...options })
    this.onCleanup(() => server.close())
    const { port } = await server.listen({ host: '127.0.0.1', port: 0 })
    return { server, port }
  }

  /** A client as `cart`, for tests that write HTTP/2 themselves. */
  connectTls(port: number): tls.TLSSocket {
    const socket = tls.connect({ host: '127.0.0.1', port, ...tlsMaterial(this.cart), ALPNProtocols: ['h2'] })
    this.onCleanup(() => socket.destroy())
    return socket
  }

  pool(options: Partial<TunnelPoolOptions> = {}): TunnelPool {
    const pool = createTunnelPool({ dial, ...options })
    this.onCleanup(() => pool.close())
    return pool
  }

  request(port: number, request: Partial<TunnelRequest> = {}): TunnelRequest {
    return {
      to: { ip: '127.0.0.1', port },
      authority: '10.0.0.1:80',
      headers: [['baggage', 'service.name=cart']],
      credential: this.cart,
      identity: CART,
      applicationIp: '10.0.0.9',
      expectedIdentities: [STOCK],
      ...request
    }
  }
}

/** A credential as `node:tls` takes it; the peer's identity is not looked at. */
export function tlsMaterial({ certificateChain, privateKey, roots }: Credential): tls.ConnectionOptions {
  return { cert: certificateChain, key: privateKey, ca: roots, checkServerIdentity: () => undefined }
}

export const dial: TunnelPoolOptions['dial'] = async to => {
  const socket = net.connect({ host: to.ip, port: to.port, noDelay: true })
  await once(socket, 'connect')
  return socket
}

export function echo(stream: HboneServerStream): void {
  const { duplex } = stream.accept([['baggage', 'service.name=stock']])
  duplex.pipe(duplex)
}

export async function readAll(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}
