import { once } from 'node:events'
import http2 from 'node:http2'
import type net from 'node:net'
import os from 'node:os'
import { titled } from '@culvert/testing'
import { expect, it } from 'vitest'
import type { Endpoint } from '../data-path.ts'
import { rawServer } from './raw-peer.ts'
import { echo, readAll, readToEnd, STOCK, type TestMesh } from './test-mesh.ts'
import type { TestPod } from './test-pod.ts'

const interfaces = Object.values(os.networkInterfaces()).flat()
const noIpv6 = interfaces.some(address => address?.family === 'IPv6') ? undefined : 'skipped: this machine has no IPv6'

const MEGABYTE = 1_048_576

/** How bytes and their ends pass (hbone 1.6 and 8). */
export function bytesConformance(createMesh: () => TestMesh): void {
  /** client application → client pod → tunnel → server pod → application. */
  async function path(
    mesh: TestMesh,
    serve: (socket: net.Socket) => void
  ): Promise<{ client: TestPod; server: TestPod; socket: net.Socket }> {
    const application = await mesh.application(serve)
    const server = await mesh.server()
    const client = await mesh.client(() => server.address('inbound-hbone'), application)
    return { client, server, socket: await mesh.connect(client.address('outbound')) }
  }

  async function outcomes(...pods: TestPod[]): Promise<(string | undefined)[]> {
    return await Promise.all(pods.map(async pod => (await pod.outcome()).failure?.code))
  }

  it('carries both directions and tells what it carried', async () => {
    await using mesh = createMesh()
    const { client, server, socket } = await path(mesh, echo)
    socket.end('hello')
    expect((await readAll(socket)).toString()).toBe('hello')
    for (const pod of [client, server]) {
      const outcome = await pod.outcome()
      expect(outcome).toMatchObject({ fromClient: 5, toClient: 5 })
      expect(outcome.failure).toBeUndefined()
      expect(outcome.duration).toBeGreaterThan(0)
      expect(pod.progressed).toEqual({ fromClient: 5, toClient: 5 })
      expect(pod.lateProgress).toEqual([])
    }
    expect(client.opens).toMatchObject([{ peerIdentity: STOCK, baggage: ['service.name=stock'] }])
    expect(server.streams).toMatchObject([{ method: 'CONNECT', headers: [['baggage', 'service.name=cart']] }])
  })

  it.each(['outbound', 'inbound-plaintext'] as const)(
    'carries a direct connection from the %s listener',
    async role => {
      await using mesh = createMesh()
      const application = await mesh.application(echo)
      const pod = await mesh.pod({
        connection: () => ({ kind: 'direct', to: application, preface: Buffer.from('preface ') })
      })
      const socket = await mesh.connect(pod.address(role))
      socket.end('hello')
      expect((await readAll(socket)).toString()).toBe('preface hello')
      expect(pod.captured).toMatchObject([{ role, destination: pod.address(role) }])
      expect((await pod.outcome()).failure).toBeUndefined()
    }
  )

  it.skipIf(noIpv6)(titled('shows IPv4 addresses of a dual-stack listener as IPv4', noIpv6), async () => {
    await using mesh = createMesh()
    const application = await mesh.application(echo)
    const server = await mesh.server({ ip: '::' })
    const client = await mesh.client(
      () => ({ ip: '127.0.0.1', port: server.address('inbound-hbone').port }),
      application,
      {
        ip: '::'
      }
    )
    const { port } = client.address('outbound')
    const socket = await mesh.connect({ ip: '127.0.0.1', port })
    socket.end('x')
    expect((await readAll(socket)).toString()).toBe('x')
    expect(client.captured).toMatchObject([{ source: { ip: '127.0.0.1' }, destination: { ip: '127.0.0.1', port } }])
    expect(server.streams).toMatchObject([{ source: { ip: '127.0.0.1' }, local: { ip: '127.0.0.1' } }])
  })

  it('[hbone-17] lets the server send 1 MiB after the client ended', async () => {
    await using mesh = createMesh()
    const { client, server, socket } = await path(mesh, async accepted => {
      await readAll(accepted)
      accepted.end(Buffer.alloc(MEGABYTE, 's'))
    })
    socket.end('request')
    expect((await readAll(socket)).length).toBe(MEGABYTE)
    expect(await outcomes(client, server)).toEqual([undefined, undefined])
  })

  it('[hbone-17] lets the client send 1 MiB after the server ended', async () => {
    await using mesh = createMesh()
    const received = Promise.withResolvers<number>()
    const { client, server, socket } = await path(mesh, async accepted => {
      accepted.end('done talking')
      received.resolve((await readAll(accepted)).length)
    })
    expect((await readAll(socket)).toString()).toBe('done talking')
    socket.end(Buffer.alloc(MEGABYTE, 'c'))
    expect(await received.promise).toBe(MEGABYTE)
    expect(await outcomes(client, server)).toEqual([undefined, undefined])
  })

  it('[hbone-15] takes a reset of the application after its reply for an end', async () => {
    await using mesh = createMesh()
    const { client, server, socket } = await path(mesh, accepted => {
      accepted.once('data', () => accepted.write('reply', () => accepted.resetAndDestroy()))
    })
    socket.write('request')
    expect((await readAll(socket)).toString()).toBe('reply')
    socket.end()
    expect(await outcomes(client, server)).toEqual([undefined, undefined])
  })

  it('records data that the application took no more', async () => {
    await using mesh = createMesh()
    const { server, socket } = await path(mesh, accepted => accepted.once('data', () => accepted.resetAndDestroy()))
    socket.write('request')
    await readAll(socket)
    const write = setInterval(() => socket.write('too late'), 5)
    mesh.onCleanup(() => clearInterval(write))
    expect((await server.outcome()).failure).toEqual({
      code: 'SEND',
      detail: 'destination disconnected before all data was written'
    })
  })

  it.each([
    { code: 'NGHTTP2_NO_ERROR', failure: undefined },
    { code: 'NGHTTP2_CANCEL', failure: { code: 'SHUTDOWN', detail: 'send: io error: broken pipe' } }
  ] as const)('[hbone-16] gives the application data and end before a $code, then judges its own end', async row => {
    await using mesh = createMesh()
    let answered: http2.ServerHttp2Stream | undefined
    const peer = await rawServer(mesh, stream => {
      answered = stream
      stream.respond({ ':status': 200 })
      stream.write('reply')
    })
    const client = await mesh.client(() => peer.address, { ip: '10.0.0.1', port: 80 })
    const socket = await mesh.connect(client.address('outbound'))
    const [reply] = (await once(socket, 'data')) as [Buffer]
    expect(reply.toString()).toBe('reply')
    answered?.close(http2.constants[row.code])
    expect((await readAll(socket)).length).toBe(0)
    socket.end()
    expect((await client.outcome()).failure).toEqual(row.failure)
  })

  it('delivers what arrived before a CANCEL though the application was slow to take it', async () => {
    await using mesh = createMesh()
    const size = 2 * MEGABYTE
    const peer = await rawServer(mesh, stream => {
      stream.respond({ ':status': 200 })
      stream.write(Buffer.alloc(size), () => setImmediate(() => stream.close(http2.constants.NGHTTP2_CANCEL)))
    })
    const client = await mesh.client(() => peer.address, { ip: '10.0.0.1', port: 80 })
    const socket = await mesh.connect(client.address('outbound'))
    await once(socket, 'readable')
    await client.until(() => client.opens.length === 1)
    expect((await readAll(socket)).length).toBe(size)
  })

  it('records a stream that ended with an error code', async () => {
    await using mesh = createMesh()
    const peer = await rawServer(mesh, stream => {
      stream.respond({ ':status': 200 })
      stream.on('data', (request: Buffer) => {
        if (request.toString() === 'ping') stream.write('pong')
        else stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR)
      })
    })
    const client = await mesh.client(() => peer.address, { ip: '10.0.0.1', port: 80 })
    const other = await mesh.connect(client.address('outbound'))
    await client.until(() => client.opens.length === 1)
    const socket = await mesh.connect(client.address('outbound'))
    socket.write('request')
    expect((await readToEnd(socket)).length).toBe(0)
    // What comes back through the same tunnel comes behind the error code, which Node sends behind an end of the data.
    other.write('ping')
    await once(other, 'readable')
    socket.destroy()
    const { failure } = await client.outcome()
    expect(['RECEIVE', 'SHUTDOWN']).toContain(failure?.code)
  })

  it.each([
    { how: 'closes', failure: undefined },
    { how: 'resets', failure: { code: 'SHUTDOWN', detail: 'send: io error: broken pipe' } }
  ] as const)('ends the application when the peer $how the tunnel, then judges its own end', async row => {
    await using mesh = createMesh()
    const peer = await rawServer(mesh, stream => {
      stream.respond({ ':status': 200 })
      stream.once('data', () => {
        if (row.how === 'closes') peer.sockets[0]?.end()
        else peer.sockets[0]?.resetAndDestroy()
      })
    })
    const client = await mesh.client(() => peer.address, { ip: '10.0.0.1', port: 80 })
    const socket = await mesh.connect(client.address('outbound'))
    socket.write('request')
    expect((await readAll(socket)).length).toBe(0)
    socket.end()
    expect((await client.outcome()).failure).toEqual(row.failure)
  })

  it.each(['client', 'server'] as const)('holds back a sender while the %s does not read', async slow => {
    const size = 96 * MEGABYTE
    // Stream window, two Node buffers, and what the kernel keeps for three TCP connections.
    const bound = 64 * MEGABYTE
    await using mesh = createMesh()
    const accepted = Promise.withResolvers<net.Socket>()
    const { client, server, socket } = await path(mesh, application => {
      application.pause()
      accepted.resolve(application)
    })
    const [sender, reader] = slow === 'server' ? [socket, await accepted.promise] : [await accepted.promise, socket]
    sender.end(Buffer.alloc(size, 'b'))
    await stalled(() => sender.writableLength)
    expect(size - sender.writableLength).toBeLessThan(bound)
    reader.end()
    expect(await countBytes(reader)).toBe(size)
    sender.resume()
    expect(await outcomes(client, server)).toEqual([undefined, undefined])
  })

  it('records what the client took no more, and lets the application go', async () => {
    await using mesh = createMesh()
    const accepted = Promise.withResolvers<net.Socket>()
    const { client, server, socket } = await path(mesh, application => {
      application.resume()
      application.end(Buffer.alloc(64 * MEGABYTE))
      accepted.resolve(application)
    })
    await client.until(() => client.opens.length === 1)
    const application = await accepted.promise
    await stalled(() => application.writableLength)
    socket.resetAndDestroy()
    expect((await client.outcome()).failure).toEqual({
      code: 'RECEIVE',
      detail: 'client disconnected before all data was written'
    })
    expect((await server.outcome()).failure?.code).toBe('RECEIVE')
    await new Promise(resolve => (application.closed ? resolve(undefined) : application.on('close', resolve)))
  })

  it('keeps other streams of a tunnel going while one is not read', async () => {
    await using mesh = createMesh()
    const stuck = await mesh.application(application => application.pause())
    const alive = await mesh.application(echo)
    const server = await mesh.server()
    const targets: Endpoint[] = [stuck, alive]
    const client = await mesh.pod({
      connection: () => mesh.tunnel(server.address('inbound-hbone'), targets.shift() ?? alive)
    })
    const held = await mesh.connect(client.address('outbound'))
    held.write(Buffer.alloc(64 * MEGABYTE))
    await stalled(() => held.writableLength)
    const socket = await mesh.connect(client.address('outbound'))
    socket.end(Buffer.alloc(8 * MEGABYTE))
    expect(await countBytes(socket)).toBe(8 * MEGABYTE)
    expect(server.tunnelsAccepted).toBe(1)
  })
}

/** Waits until a number stands still. */
async function stalled(read: () => number): Promise<void> {
  let last = -1
  for (let same = 0; same < 50; ) {
    const now = read()
    same = now === last ? same + 1 : 0
    last = now
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

async function countBytes(socket: net.Socket): Promise<number> {
  let bytes = 0
  for await (const chunk of socket) bytes += (chunk as Buffer).length
  return bytes
}
