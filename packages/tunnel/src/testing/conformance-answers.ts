import { once } from 'node:events'
import fs from 'node:fs'
import type http2 from 'node:http2'
import net from 'node:net'
import { listenTcp } from '@culvert/netns'
import { expect, it } from 'vitest'
import type { Endpoint } from '../data-path.ts'
import { rawClient } from './raw-peer.ts'
import { CART, echo, readAll, type TestMesh } from './test-mesh.ts'

/** What is refused, and who hears why (hbone 1.1, 1.5, 3, 9). */
export function answersConformance(createMesh: () => TestMesh): void {
  it.each([401, 400, 503])('passes on an answer of %i as the status of a failure', async status => {
    await using mesh = createMesh()
    const server = await mesh.server({ stream: () => ({ kind: 'answer', status }) })
    const client = await mesh.client(() => server.address('inbound-hbone'), { ip: '10.0.0.1', port: 80 })
    const socket = await mesh.connect(client.address('outbound'))
    expect((await readAll(socket)).length).toBe(0)
    expect((await client.outcome()).failure).toMatchObject({ code: 'STATUS', status })
    expect(client.opens).toEqual([])
    const outcome = await server.outcome()
    expect(outcome).toMatchObject({ fromClient: 0, toClient: 0 })
    expect(outcome.failure).toBeUndefined()
  })

  it('[hbone-12] answers 503 when nothing listens on the target port', async () => {
    await using mesh = createMesh()
    const application = await mesh.application(echo)
    const server = await mesh.server({ stream: () => ({ kind: 'direct', to: { ip: '127.0.0.1', port: 1 } }) })
    const client = await mesh.client(() => server.address('inbound-hbone'), application)
    const socket = await mesh.connect(client.address('outbound'))
    await readAll(socket)
    expect((await client.outcome()).failure).toEqual({
      code: 'STATUS',
      detail: '503 Service Unavailable',
      status: 503
    })
    expect((await server.outcome()).failure).toEqual({
      code: 'CONNECTION_FAILED',
      detail: 'Connection refused (os error 111)'
    })
  })

  it('[hbone-14] says nothing before the application has accepted, 503 when it does not in time', async () => {
    await using mesh = createMesh()
    const stalled = await stalledApplication(mesh)
    const server = await mesh.server({ sockets: { connectTimeout: 300 } })
    const client = await mesh.client(() => server.address('inbound-hbone'), stalled)
    await readAll(await mesh.connect(client.address('outbound')))
    expect((await client.outcome()).failure).toMatchObject({ code: 'STATUS', status: 503 })
    expect((await server.outcome()).failure).toEqual({ code: 'CONNECTION_FAILED', detail: 'deadline has elapsed' })
    expect([client.opens, server.opens]).toEqual([[], []])
  })

  it('[hbone-9] shows a GET to the handler and answers with a status alone', async () => {
    await using mesh = createMesh()
    const server = await mesh.server({
      stream: ({ method }) => ({ kind: 'answer', status: method === 'CONNECT' ? 200 : 400 })
    })
    const session = await rawClient(mesh, server.address('inbound-hbone'))
    const request = session.request({ ':method': 'GET', ':scheme': 'https', ':path': '/' }, { endStream: true })
    const [headers, flags, raw] = (await once(request, 'response')) as [http2.IncomingHttpHeaders, number, string[]]
    expect(headers[':status' as never]).toBe(400)
    expect(raw).toEqual([':status', '400'])
    expect(flags & END_STREAM).toBe(END_STREAM)
    await once(request.resume(), 'close')
    expect(server.streams).toMatchObject([{ method: 'GET', peerIdentity: CART }])
  })

  it('sends nothing but status and headers of its own with a 200', async () => {
    await using mesh = createMesh()
    const application = await mesh.application(echo)
    const server = await mesh.server()
    const session = await rawClient(mesh, server.address('inbound-hbone'))
    const request = session.request({ ':method': 'CONNECT', ':authority': `127.0.0.1:${application.port}` })
    const [, flags, raw] = (await once(request, 'response')) as [unknown, number, string[]]
    expect(raw).toEqual([':status', '200', 'baggage', 'service.name=stock'])
    expect(flags & END_STREAM).toBe(0)
    request.end('x')
    expect((await once(request, 'data')).toString()).toBe('x')
  })

  it('closes a refused connection without a byte', async () => {
    await using mesh = createMesh()
    const pod = await mesh.pod({ connection: () => ({ kind: 'refuse' }) })
    const socket = await mesh.connect(pod.address('outbound'))
    expect((await readAll(socket)).length).toBe(0)
    expect((await pod.outcome()).failure).toBeUndefined()
  })

  it.each([
    { role: 'outbound', code: 'IO' },
    { role: 'inbound-plaintext', code: 'CONNECTION_FAILED' }
  ] as const)('closes the $role connection when its direct target refuses', async ({ role, code }) => {
    await using mesh = createMesh()
    const pod = await mesh.pod({ connection: () => ({ kind: 'direct', to: { ip: '127.0.0.1', port: 1 } }) })
    const socket = await mesh.connect(pod.address(role))
    expect((await readAll(socket)).length).toBe(0)
    expect((await pod.outcome()).failure).toEqual({ code, detail: 'Connection refused (os error 111)' })
  })

  it('tells a refused tunnel from a timed-out one', async () => {
    await using mesh = createMesh()
    const client = await mesh.client(() => ({ ip: '127.0.0.1', port: 1 }), { ip: '10.0.0.1', port: 80 })
    await readAll(await mesh.connect(client.address('outbound')))
    expect((await client.outcome()).failure).toEqual({ code: 'IO', detail: 'Connection refused (os error 111)' })
  })

  it('[hbone-4] sends no CONNECT to a server with another account than expected', async () => {
    await using mesh = createMesh()
    const other = 'spiffe://mesh.test/ns/shop/sa/till'
    const credential = await mesh.identities.authority.issue(other)
    const server = await mesh.server({ credential })
    const client = await mesh.client(() => server.address('inbound-hbone'), { ip: '10.0.0.1', port: 80 })
    const socket = await mesh.connect(client.address('outbound'))
    await readAll(socket)
    const { failure } = await client.outcome()
    expect(failure).toMatchObject({ code: 'IO' })
    expect(failure?.detail).toContain(`got ${other}`)
    expect(server.streams).toEqual([])
  })

  it('[hbone-4] matches no server with an empty list of expected identities', async () => {
    await using mesh = createMesh()
    const server = await mesh.server()
    const client = await mesh.client(
      () => server.address('inbound-hbone'),
      { ip: '10.0.0.1', port: 80 },
      { hop: { expectedIdentities: [] } }
    )
    await readAll(await mesh.connect(client.address('outbound')))
    expect((await client.outcome()).failure?.code).toBe('IO')
    expect(server.streams).toEqual([])
  })

  it('[hbone-3] serves no stream to a client of another trust domain, whose application sees a reset', async () => {
    await using mesh = createMesh()
    const credential = await mesh.identities.authority.issue('spiffe://elsewhere.test/ns/shop/sa/cart')
    const server = await mesh.server()
    // Nothing is decided before the data is there: with none unread, the application would see an end.
    const written = Promise.withResolvers<void>()
    const client = await mesh.pod({
      connection: async () => {
        await written.promise
        return mesh.tunnel(server.address('inbound-hbone'), { ip: '10.0.0.1', port: 80 }, { credential })
      }
    })
    const socket = await mesh.connect(client.address('outbound'))
    const closed = once(socket, 'error')
    socket.write('data that nobody reads', () => written.resolve())
    expect((await closed)[0]).toMatchObject({ code: 'ECONNRESET' })
    expect((await client.outcome()).failure?.code).toBe('HTTP2')
    expect(server.streams).toEqual([])
    expect(server.handshakeFailures.join()).toContain('tls handshake error: ')
  })

  it('closes a tunnel for which there is no certificate, without TLS', async () => {
    await using mesh = createMesh()
    const server = await mesh.server({ credential: undefined })
    const client = await mesh.client(() => server.address('inbound-hbone'), { ip: '10.0.0.1', port: 80 })
    await readAll(await mesh.connect(client.address('outbound')))
    expect((await client.outcome()).failure?.code).toBe('IO')
  })

  it('says that its own certificate cannot be used', async () => {
    await using mesh = createMesh()
    const broken = { ...mesh.identities.cart, id: 'broken', privateKey: 'not a key' }
    const client = await mesh.client(
      () => ({ ip: '127.0.0.1', port: 1 }),
      { ip: '10.0.0.1', port: 80 },
      { hop: { credential: broken } }
    )
    const server = await mesh.server()
    const dialled = await mesh.client(
      () => server.address('inbound-hbone'),
      { ip: '10.0.0.1', port: 80 },
      { hop: { credential: broken } }
    )
    await readAll(await mesh.connect(client.address('outbound')))
    await readAll(await mesh.connect(dialled.address('outbound')))
    expect((await dialled.outcome()).failure?.code).toBe('TLS')
  })
}

/** A listener that accepts nothing and whose queue is full: the kernel drops every further SYN. */
async function stalledApplication(mesh: TestMesh): Promise<Endpoint> {
  const { ip, port } = await freeAddress()
  const { fd } = listenTcp(undefined, { ip, port, backlog: 0 })
  mesh.onCleanup(() => fs.closeSync(fd))
  await mesh.connect({ ip, port })
  return { ip, port }
}

async function freeAddress(): Promise<Endpoint> {
  const probe = net.createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as net.AddressInfo
  await new Promise(resolve => probe.close(resolve))
  return { ip: '127.0.0.1', port }
}

// RFC 9113 6.2
const END_STREAM = 0x1
