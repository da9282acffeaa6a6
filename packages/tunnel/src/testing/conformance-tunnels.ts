import { once } from 'node:events'
import type http2 from 'node:http2'
import { expect, it } from 'vitest'
import { rawServer } from './raw-peer.ts'
import { direct, echo, readAll, STOCK, type TestMesh } from './test-mesh.ts'

const GATEWAY = 'spiffe://mesh.test/ns/istio-system/sa/gateway'

/** Which tunnel carries what (hbone 1.7, 1.8, 6). */
export function tunnelsConformance(createMesh: () => TestMesh): void {
  it('[hbone-27] puts two concurrent connections with one key into one tunnel', async () => {
    await using mesh = createMesh()
    const application = await mesh.application(echo)
    const server = await mesh.server()
    const client = await mesh.client(() => server.address('inbound-hbone'), application)
    const sockets = await Promise.all([
      mesh.connect(client.address('outbound')),
      mesh.connect(client.address('outbound'))
    ])
    await client.until(() => client.opens.length === 2)
    expect(server.tunnelsAccepted).toBe(1)
    for (const socket of sockets) socket.end('x')
    expect((await Promise.all(sockets.map(readAll))).map(String)).toEqual(['x', 'x'])
  })

  it.each([
    { differs: 'identity', hops: [{}, { identity: 'spiffe://mesh.test/ns/shop/sa/other' }] },
    { differs: 'application address', hops: [{}, { applicationIp: '127.0.0.2' }] },
    {
      differs: 'order of expected identities',
      hops: [{ expectedIdentities: [STOCK, GATEWAY] }, { expectedIdentities: [GATEWAY, STOCK] }]
    }
  ])('takes a tunnel of its own when the $differs differs', async ({ hops }) => {
    await using mesh = createMesh()
    const application = await mesh.application(echo)
    const server = await mesh.server()
    const remaining = [...hops]
    const client = await mesh.pod({
      connection: () => mesh.tunnel(server.address('inbound-hbone'), application, remaining.shift())
    })
    await mesh.connect(client.address('outbound'))
    await mesh.connect(client.address('outbound'))
    await client.until(() => client.opens.length === 2)
    expect(server.tunnelsAccepted).toBe(2)
  })

  it('takes a new tunnel when the streams of one are used up', async () => {
    await using mesh = createMesh()
    const application = await mesh.application(echo)
    const server = await mesh.server()
    const client = await mesh.client(() => server.address('inbound-hbone'), application, {
      pool: { maxStreamsPerTunnel: 2 }
    })
    for (let count = 1; count <= 5; count++) {
      await mesh.connect(client.address('outbound'))
      await client.until(() => client.opens.length === count)
    }
    expect(server.tunnelsAccepted).toBe(3)
  })

  it('[hbone-27] opens a second tunnel after GOAWAY while the first finishes its stream', async () => {
    await using mesh = createMesh()
    const peer = await rawServer(mesh, stream => {
      stream.respond({ ':status': 200 })
      stream.pipe(stream)
    })
    const client = await mesh.client(() => peer.address, { ip: '10.0.0.1', port: 80 })
    const first = await mesh.connect(client.address('outbound'))
    first.write('one')
    await once(first, 'data')
    peer.sessions[0]?.goaway(0)
    // The answer to a PING sent after it shows that it has arrived.
    await new Promise<void>(resolve => peer.sessions[0]?.ping(() => resolve()))
    const second = await mesh.connect(client.address('outbound'))
    second.end('two')
    expect((await readAll(second)).toString()).toBe('two')
    expect(peer.sessions).toHaveLength(2)
    first.end('still here')
    expect((await readAll(first)).toString()).toBe('still here')
  })

  it('[hbone-28] closes an unused tunnel after the idle release and keeps one with a stream', async () => {
    await using mesh = createMesh()
    const application = await mesh.application(echo)
    const server = await mesh.server()
    const client = await mesh.client(() => server.address('inbound-hbone'), application, {
      pool: { unusedRelease: 100 }
    })
    const used = await mesh.connect(client.address('outbound'))
    used.write('a')
    await once(used, 'data')
    const unusedServer = await mesh.server()
    const brief = await mesh.client(() => unusedServer.address('inbound-hbone'), application, {
      pool: { unusedRelease: 100 }
    })
    const socket = await mesh.connect(brief.address('outbound'))
    socket.end('b')
    await readAll(socket)
    await unusedServer.until(() => unusedServer.tunnelsAccepted === 1 && unusedServer.tunnelsOpen === 0)
    expect(server.tunnelsOpen).toBe(1)
    used.end('c')
    expect((await readAll(used)).toString()).toBe('c')
    await server.until(() => server.tunnelsOpen === 0)
  })

  it('[hbone-8, 26] runs a second tunnel inside the stream of the first for one connection', async () => {
    await using mesh = createMesh()
    const application = await mesh.application(echo)
    const server = await mesh.server({
      stream: () => direct(application, { responseHeaders: [['baggage', 'service.name=stock']] })
    })
    const gateway = await mesh.server({
      credential: await mesh.identities.authority.issue(GATEWAY),
      stream: () => direct(server.address('inbound-hbone'))
    })
    const client = await mesh.pod({
      connection: () => {
        const { outer, ...tunnel } = mesh.tunnel(gateway.address('inbound-hbone'), application)
        const both = { ...outer, authority: 'stock.shop.svc:80' }
        return {
          ...tunnel,
          outer: { ...both, expectedIdentities: [GATEWAY] },
          inner: { ...both, headers: [...both.headers, ['x-forwarded-network', 'one']] }
        }
      }
    })
    for (const text of ['first', 'second']) {
      const socket = await mesh.connect(client.address('outbound'))
      socket.end(text)
      expect((await readAll(socket)).toString()).toBe(text)
    }
    expect((await client.outcome(1)).failure).toBeUndefined()
    expect(client.opens).toMatchObject([{ peerIdentity: STOCK, baggage: ['service.name=stock'] }, {}])
    // The outer tunnel is shared, inner ones never.
    expect([gateway.tunnelsAccepted, server.tunnelsAccepted]).toEqual([1, 2])
    expect(gateway.streams.map(({ headers }) => headers.map(([name]) => name))).toEqual([['baggage'], ['baggage']])
    expect(server.streams[0]).toMatchObject({
      authority: 'stock.shop.svc:80',
      headers: [
        ['baggage', 'service.name=cart'],
        ['x-forwarded-network', 'one']
      ]
    })
    await server.until(() => server.tunnelsOpen === 0)
    await gateway.outcome(1)
  })

  it('delivers all that was sent through two tunnels after the other side had ended', async () => {
    await using mesh = createMesh()
    const size = 16 * 1_048_576
    const received = Promise.withResolvers<number>()
    const application = await mesh.application(async accepted => {
      accepted.end('done talking')
      // Slow at first, so that what was sent fills every buffer on the way.
      await new Promise(resolve => setTimeout(resolve, 300))
      received.resolve((await readAll(accepted)).length)
    })
    const server = await mesh.server({ stream: () => direct(application) })
    const gateway = await mesh.server({ stream: () => direct(server.address('inbound-hbone')) })
    const client = await mesh.pod({
      connection: () => {
        const { outer, ...tunnel } = mesh.tunnel(gateway.address('inbound-hbone'), application)
        return { ...tunnel, outer, inner: outer }
      }
    })
    const socket = await mesh.connect(client.address('outbound'))
    expect((await readAll(socket)).toString()).toBe('done talking')
    socket.end(Buffer.alloc(size, 'c'))
    expect(await received.promise).toBe(size)
    expect((await client.outcome()).failure).toBeUndefined()
    expect((await server.outcome()).failure).toBeUndefined()
    await gateway.outcome()
  })

  it('[hbone-26] judges the inner server by its own expected identities', async () => {
    await using mesh = createMesh()
    const application = await mesh.application(echo)
    const server = await mesh.server()
    const gateway = await mesh.server({
      credential: await mesh.identities.authority.issue(GATEWAY),
      stream: () => direct(server.address('inbound-hbone'))
    })
    const client = await mesh.pod({
      connection: () => {
        const { outer, ...tunnel } = mesh.tunnel(gateway.address('inbound-hbone'), application, {
          expectedIdentities: [GATEWAY]
        })
        return { ...tunnel, outer, inner: outer }
      }
    })
    await readAll(await mesh.connect(client.address('outbound')))
    const { failure } = await client.outcome()
    expect(failure?.code).toBe('IO')
    expect(failure?.detail).toContain(`did not present the expected SAN (${GATEWAY}), got ${STOCK}`)
    expect(server.streams).toEqual([])
    // The outer stream does not linger.
    await gateway.outcome()
  })

  it('fails only the connection whose stream was refused', async () => {
    await using mesh = createMesh()
    const seen: http2.ServerHttp2Stream[] = []
    const peer = await rawServer(mesh, stream => {
      seen.push(stream)
      if (seen.length === 1) stream.close(REFUSED_STREAM)
      else {
        stream.respond({ ':status': 200 })
        stream.pipe(stream)
      }
    })
    const client = await mesh.client(() => peer.address, { ip: '10.0.0.1', port: 80 })
    await readAll(await mesh.connect(client.address('outbound')))
    expect((await client.outcome()).failure).toMatchObject({ code: 'HTTP2' })
    const socket = await mesh.connect(client.address('outbound'))
    socket.end('x')
    expect((await readAll(socket)).toString()).toBe('x')
    expect(peer.sessions).toHaveLength(1)
  })
}

const REFUSED_STREAM = 7
