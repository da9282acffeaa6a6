import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { createDataPath } from './index.ts'
import { echoes, FrameFixture } from './testing/frame-fixture.ts'
import { answerEverybody, codeName, connect, frameClient, frameServer, isEnd } from './testing/frame-peer.ts'
import {
  data,
  FLAG,
  fields,
  frame,
  goaway,
  headers,
  rstStream,
  SETTING,
  settings,
  settingsAck,
  TYPE,
  windowUpdate
} from './testing/frames.ts'
import { readAll } from './testing/test-mesh.ts'

// The life of streams, and what GOAWAY and MAX_CONCURRENT_STREAMS do to them (RFC 9113 sections 5 and 6.8).

const fixture = new FrameFixture(() => createDataPath({ log: { warn: () => {}, debug: () => {} } }))

/** An application that keeps its connections open whatever their clients do. */
const silent = () => fixture.mesh.application(socket => socket.resume())

describe('on a stream that its client ended', () => {
  it.each<[what: string, sent: Buffer]>([
    ['DATA', data(3, 'x')],
    ['HEADERS', headers(3, fields(['a', 'b']), FLAG.endStream)]
  ])('%s is an error of the stream', async (_, sent) => {
    const peer = await fixture.peer()
    peer.send(connect(3, await silent(), FLAG.endStream))
    await peer.status(3)
    peer.send(sent)
    expect(codeName(await peer.reset(3))).toBe('streamClosed')
    await echoes(peer, 1, 'x')
  })

  it('WINDOW_UPDATE, PRIORITY and RST_STREAM are welcome', async () => {
    const peer = await fixture.peer()
    peer.send(connect(3, await silent(), FLAG.endStream))
    await peer.status(3)
    peer.send(windowUpdate(3, 1), frame(TYPE.priority, 0, 3, Buffer.alloc(5)), rstStream(3, 8))
    await echoes(peer, 1, 'x')
  })
})

it('ignores what crosses the end of a stream', async () => {
  const peer = await fixture.peer()
  peer.send(connect(3, fixture.application, FLAG.endStream))
  await peer.until(() => peer.of(3, TYPE.data).some(isEnd))
  peer.send(windowUpdate(3, 1), frame(TYPE.priority, 0, 3, Buffer.alloc(5)), rstStream(3, 8))
  await echoes(peer, 1, 'x')
})

it('ignores what crosses its own reset after many others too', async () => {
  const pod = await fixture.server({ stream: () => ({ kind: 'answer', status: 401 }) })
  const peer = await frameClient(fixture.mesh, pod.address('inbound-hbone'))
  peer.greet()
  const streams = Array.from({ length: 300 }, (_, i) => 2 * i + 1)
  for (const stream of streams) {
    peer.send(connect(stream, fixture.application))
    if (stream % 100 === 1) await peer.reset(stream)
  }
  await Promise.all(streams.map(stream => peer.reset(stream)))
  peer.send(data(1, 'x'), data(599, 'x'))
  await peer.sync()
})

it('ignores what crosses its own reset, and gives the window back', async () => {
  const pod = await fixture.server({ http2: { streamWindow: 65_535, connectionWindow: 65_535 } })
  const peer = await fixture.peer(fixture.application, pod)
  // No such application: 503 and a reset, while the client goes on. In all more than the connection's window.
  for (let id = 3; id < 23; id += 2) {
    peer.send(connect(id, { ip: '127.0.0.1', port: 1 }), data(id, Buffer.alloc(16_000)))
    expect(await peer.status(id)).toBe(503)
    expect(codeName(await peer.reset(id))).toBe('noError')
    peer.send(data(id, 'late'), headers(id, fields(['late', '1']), FLAG.endStream), rstStream(id, 8))
    await peer.sync()
  }
  await echoes(peer, 1, 'x')
})

it('refuses streams above 200 until others have ended', async () => {
  const pod = await fixture.server({ stream: () => new Promise(() => {}) })
  const peer = await frameClient(fixture.mesh, pod.address('inbound-hbone'))
  peer.greet()
  const ids = Array.from({ length: 200 }, (_, index) => index * 2 + 1)
  peer.send(...ids.map(id => connect(id, fixture.application)), connect(401, fixture.application))
  expect(codeName(await peer.reset(401))).toBe('refusedStream')
  peer.send(rstStream(1, 8), connect(403, fixture.application), connect(405, fixture.application))
  expect(codeName(await peer.reset(405))).toBe('refusedStream')
  // The peer may hear of it before the decision thread does.
  await pod.until(() => pod.streams.length >= 201)
  expect(pod.streams).toHaveLength(201)
})

it('ignores requests above the last id of its GOAWAY while those before go on', async () => {
  const pod = await fixture.server({})
  const peer = await fixture.peer(fixture.application, pod)
  const drained = pod.path.drain({ deadline: new AbortController().signal })
  // 2^31-1 first; once the client answered the PING that came with it, the real one.
  await peer.until(() => peer.of(0, TYPE.goaway).length === 2)
  expect(peer.of(0, TYPE.goaway).map(({ payload }) => payload.readUInt32BE(0))).toEqual([2 ** 31 - 1, 1])
  peer.send(
    connect(3, fixture.application),
    data(3, 'x'),
    windowUpdate(3, 1),
    rstStream(3, 8),
    connect(5, fixture.application)
  )
  await echoes(peer, 1, 'x')
  expect(pod.streams).toHaveLength(1)
  peer.send(data(1, '', FLAG.endStream))
  expect(codeName(await peer.brokenBy())).toBe('noError')
  expect(await drained).toEqual({ finished: 1, cut: 0 })
})

it('takes no other PONG for the one that ends a drain', async () => {
  const pod = await fixture.server({})
  const peer = await fixture.peer(fixture.application, pod)
  peer.answersPings = false
  const drained = pod.path.drain({ deadline: new AbortController().signal })
  const { payload } = await peer.next(0, TYPE.ping)
  peer.send(frame(TYPE.ping, FLAG.ack, 0, Buffer.from('culvert\0')), connect(3, fixture.application))
  expect(await peer.status(3)).toBe(200)
  peer.send(frame(TYPE.ping, FLAG.ack, 0, payload))
  await peer.until(() => peer.of(0, TYPE.goaway).length === 2)
  peer.send(data(1, '', FLAG.endStream), data(3, '', FLAG.endStream))
  expect(await drained).toEqual({ finished: 1, cut: 0 })
})

describe('as a client', () => {
  it('asks elsewhere for what a GOAWAY left out, keeps what it did not, and goes elsewhere with the next', async () => {
    const server = await frameServer(fixture.mesh, peer => peer.send(settings(), settingsAck))
    const client = await fixture.mesh.client(() => server.address, fixture.application)
    const first = await fixture.mesh.connect(client.address('outbound'))
    await expect.poll(() => server.peers[0]?.of(1).length).toBe(1)
    const peer = server.peers[0]!
    peer.send(headers(1, Buffer.of(0x88)))
    await fixture.mesh.connect(client.address('outbound'))
    await peer.next(3, TYPE.headers)
    peer.send(goaway(1, 0))
    await expect.poll(() => server.peers[1]?.of(1).length).toBe(1)
    peer.send(data(1, 'goes on'))
    expect((await once(first, 'data')).toString()).toBe('goes on')
    await fixture.mesh.connect(client.address('outbound'))
    await server.peers[1]!.next(3, TYPE.headers)
    // Frames of the stream that was left out may still be on their way.
    peer.send(headers(3, Buffer.of(0x88)), data(3, 'x'), rstStream(3, 7), data(1, 'and on', FLAG.endStream))
    expect((await readAll(first)).toString()).toBe('and on')
    await client.path.close()
  })

  it('waits for its turn when a server allows fewer streams', async () => {
    const server = await frameServer(fixture.mesh, peer => {
      peer.send(settings([SETTING.maxConcurrentStreams, 1]), settingsAck)
      answerEverybody(peer)
    })
    const client = await fixture.mesh.client(() => server.address, fixture.application)
    const first = await fixture.mesh.connect(client.address('outbound'))
    await client.until(() => client.opens.length === 1)
    for (let count = 0; count < 2; count++) await fixture.mesh.connect(client.address('outbound'))
    await client.until(() => client.captured.length === 3)
    const peer = server.peers[0]!
    await peer.sync()
    expect(peer.of(3)).toEqual([])
    peer.send(data(1, 'done', FLAG.endStream))
    first.end()
    await peer.next(3, TYPE.headers)
    expect(peer.of(5)).toEqual([])
    peer.send(settings([SETTING.maxConcurrentStreams, 2]))
    await peer.next(5, TYPE.headers)
    await client.path.close()
    expect(server.peers).toHaveLength(1)
  })

  it.each([
    { first: 'the application', applicationFirst: true },
    { first: 'the server', applicationFirst: false }
  ])('resets no stream that both have ended, $first first', async ({ applicationFirst }) => {
    const server = await frameServer(fixture.mesh, answerEverybody)
    const client = await fixture.mesh.client(() => server.address, fixture.application)
    const socket = await fixture.mesh.connect(client.address('outbound'))
    await client.until(() => client.opens.length === 1)
    const peer = server.peers[0]!
    if (applicationFirst) {
      socket.end('x')
      await peer.until(() => peer.of(1, TYPE.data).some(isEnd))
    }
    peer.send(data(1, 'y', FLAG.endStream))
    expect((await readAll(socket)).toString()).toBe('y')
    if (!applicationFirst) socket.end('x')
    expect((await client.outcome()).failure).toBeUndefined()
    await peer.sync()
    expect(peer.of(1, TYPE.rstStream)).toEqual([])
    await client.path.close()
  })

  it('ignores what a server still sends on a stream that its application has left', async () => {
    const server = await frameServer(fixture.mesh, answerEverybody)
    const client = await fixture.mesh.client(() => server.address, fixture.application)
    const keeps = await fixture.mesh.connect(client.address('outbound'))
    await fixture.mesh.connect(client.address('outbound'))
    await client.until(() => client.opens.length === 2)
    const peer = server.peers[0]!
    client.path.cut(client.captured[1]!.id)
    expect(codeName(await peer.reset(3))).toBe('cancel')
    peer.send(data(3, 'late'), headers(3, fields(['late', '1']), FLAG.endStream), data(1, 'x'))
    expect((await once(keeps, 'data')).toString()).toBe('x')
    await client.path.close()
  })
})
