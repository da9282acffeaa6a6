import { once } from 'node:events'
import net from 'node:net'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  type Credential,
  createHboneServer,
  createTunnelPool,
  type HboneServer,
  type HboneServerOptions,
  type HboneServerStream,
  type TunnelPool,
  type TunnelRequest
} from './index.ts'
import { createTestAuthority, type TestAuthority } from './testing/index.ts'

const CART = 'spiffe://mesh.test/ns/shop/sa/cart'
const STOCK = 'spiffe://mesh.test/ns/shop/sa/stock'

let authority: TestAuthority
let cart: Credential
let stock: Credential

beforeAll(async () => {
  authority = await createTestAuthority()
  cart = await authority.issue(CART)
  stock = await authority.issue(STOCK)
})

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function serve(options: Partial<HboneServerOptions> = {}): Promise<{ server: HboneServer; port: number }> {
  const server = createHboneServer({
    credential: () => stock,
    onStream: stream => echo(stream),
    ...options
  })
  cleanups.push(() => server.close())
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 })
  return { server, port }
}

function echo(stream: HboneServerStream): void {
  const { duplex } = stream.accept([['baggage', 'service.name=stock']])
  duplex.on('error', () => {})
  duplex.pipe(duplex)
}

function createPool(options: Partial<Parameters<typeof createTunnelPool>[0]> = {}): TunnelPool {
  const pool = createTunnelPool({
    async dial(to) {
      const socket = net.connect({ host: to.ip, port: to.port, allowHalfOpen: true, noDelay: true })
      await once(socket, 'connect')
      return socket
    },
    ...options
  })
  cleanups.push(() => pool.close())
  return pool
}

function to(port: number, request: Partial<TunnelRequest> = {}): TunnelRequest {
  return {
    to: { ip: '127.0.0.1', port },
    authority: '10.0.0.1:80',
    headers: [['baggage', 'service.name=cart']],
    credential: cart,
    identity: CART,
    applicationIp: '10.0.0.9',
    expectedIdentities: [STOCK],
    ...request
  }
}

async function readAll(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

describe('a stream through a tunnel', () => {
  it('carries bytes both ways and half-closes', async () => {
    const { port } = await serve()
    const { side, peerIdentity, responseHeaders } = await createPool().connect(to(port))
    expect(peerIdentity).toBe(STOCK)
    expect(responseHeaders).toEqual([['baggage', 'service.name=stock']])
    side.duplex.end('hello')
    expect(await readAll(side.duplex)).toBe('hello')
  })

  it('[hbone-27] is in the same tunnel as another with the same key', async () => {
    const { server, port } = await serve()
    const pool = createPool()
    const streams = await Promise.all([pool.connect(to(port)), pool.connect(to(port, { authority: '10.0.0.1:81' }))])
    expect(streams).toHaveLength(2)
    expect([pool.size, server.size]).toEqual([1, 1])
  })
})
