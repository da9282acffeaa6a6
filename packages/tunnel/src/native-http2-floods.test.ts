import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createDataPath } from './index.ts'
import { FrameFixture } from './testing/frame-fixture.ts'
import { codeName, connect, connectFields, type FramePeer, frameServer } from './testing/frame-peer.ts'
import {
  data,
  FLAG,
  fields,
  frame,
  headers,
  integer,
  ping,
  rstStream,
  SETTING,
  settings,
  settingsAck,
  TYPE,
  text,
  windowUpdate
} from './testing/frames.ts'

// What has ended other HTTP/2 servers: each costs its peer the tunnel or comes to nothing, while another tunnel of the
// same pod goes on and memory stays where it was (native/tunnel/src/engine/http2-limits.h).

const fixture = new FrameFixture(() => createDataPath({ log: { warn: () => {}, debug: () => {} } }))

const MEBIBYTE = 1_048_576
let before: number

beforeEach(() => {
  before = process.memoryUsage.rss()
})

afterEach(async () => {
  await fixture.witnessGoesOn()
  // Of this process: the flooding peer's own memory is part of it.
  expect(process.memoryUsage.rss() - before).toBeLessThan(128 * MEBIBYTE)
})

const CONNECT = fields([':method', 'CONNECT'], [':authority', '127.0.0.1:1'])
const repeated = (count: number, one: Buffer): Buffer => Buffer.concat(Array.from({ length: count }, () => one))
/** For stream ids 3, 5, 7 and so on. */
const streams = (count: number, one: (id: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, index) => one(index * 2 + 3)))

describe('ends the tunnel of a peer that sends thousands of', () => {
  it.each<[what: string, sent: Buffer]>([
    [
      'streams and resets them (rapid reset, CVE-2023-44487)',
      streams(5000, id => Buffer.concat([headers(id, CONNECT), rstStream(id, 8)]))
    ],
    [
      'streams and makes us reset them (made you reset, CVE-2025-8671), by WINDOW_UPDATE',
      streams(5000, id => Buffer.concat([headers(id, CONNECT), windowUpdate(id, 0)]))
    ],
    [
      'the same by DATA after END_STREAM',
      streams(5000, id => Buffer.concat([headers(id, CONNECT, FLAG.endStream), data(id, 'x')]))
    ],
    [
      'the same by trailers without END_STREAM',
      streams(5000, id => Buffer.concat([headers(id, CONNECT), headers(id, CONNECT)]))
    ],
    ['malformed requests', streams(5000, id => headers(id, Buffer.of(0x82)))],
    ['streams above the allowed number', streams(5000, id => headers(id, CONNECT))],
    ['SETTINGS', repeated(5000, settings())],
    [
      'SETTINGS that change every window thousands of times',
      repeated(
        2500,
        settings(...Array.from({ length: 2730 }, (_, index) => [SETTING.initialWindowSize, index] as const)).subarray(
          0,
          9 + 16_380
        )
      )
    ],
    ['acknowledgements', repeated(5000, settingsAck)],
    ['PING', repeated(5000, ping())],
    ['answers to PING', repeated(5000, ping(FLAG.ack))],
    ['PRIORITY', repeated(5000, frame(TYPE.priority, 0, 1, Buffer.alloc(5)))],
    ['empty DATA', repeated(5000, data(1, ''))],
    ['DATA that is one octet of padding length', repeated(5000, frame(TYPE.data, FLAG.padded, 1, Buffer.of(0)))],
    ['unknown frames', repeated(5000, frame(99, 0, 0))],
    ['GOAWAY', repeated(5000, frame(TYPE.goaway, 0, 0, Buffer.alloc(8)))],
    ['WINDOW_UPDATE for nothing that was sent', repeated(20_000, windowUpdate(0, 1))]
  ])('%s', async (_, sent) => {
    const heard = fixture.pod.streams.length
    const peer = await fixture.peer()
    peer.send(sent)
    expect(codeName(await peer.brokenBy())).toBe('enhanceYourCalm')
    expect(fixture.pod.streams.length - heard).toBeLessThan(3000)
  })

  it.each<[what: string, sent: Buffer]>([
    ['answers of the hundreds', repeated(5000, headers(1, fields([':status', '103'])))],
    ['SETTINGS', repeated(5000, settings())]
  ])('%s, also as a server', async (_, sent) => {
    const server = await frameServer(fixture.mesh, peer => peer.send(settings(), settingsAck))
    const client = await fixture.mesh.client(() => server.address, fixture.application)
    await fixture.mesh.connect(client.address('outbound'))
    await expect.poll(() => server.peers[0]?.of(1).length).toBe(1)
    server.peers[0]!.send(sent)
    expect(codeName(await server.peers[0]!.brokenBy())).toBe('enhanceYourCalm')
    expect((await client.outcome()).failure?.code).toBe('HTTP2')
    await client.path.close()
  })
})

describe('ends the tunnel of a peer whose header block', () => {
  const begun = frame(TYPE.headers, 0, 3, connectFields({ ip: '127.0.0.1', port: 1 }))
  it.each<[what: string, sent: Buffer]>([
    [
      'goes on for ever (CONTINUATION flood)',
      Buffer.concat([begun, repeated(10_000, frame(TYPE.continuation, 0, 3, text('x')))])
    ],
    ['goes on for ever with nothing', Buffer.concat([begun, repeated(10_000, frame(TYPE.continuation, 0, 3))])],
    ['is large in one frame', headers(3, Buffer.alloc(200_000))],
    [
      'is large in few frames',
      Buffer.concat([begun, repeated(3, frame(TYPE.continuation, 0, 3, Buffer.alloc(60_000)))])
    ],
    [
      'names the largest entry of the table over and over (header bomb)',
      Buffer.concat([
        headers(3, Buffer.concat([CONNECT, Buffer.of(0x40), text('bomb'), text('x'.repeat(4000))])),
        headers(5, Buffer.concat([CONNECT, Buffer.alloc(100_000, 0xbe)]))
      ])
    ],
    [
      'fills the table with large names over and over',
      headers(
        3,
        Buffer.concat([
          CONNECT,
          Buffer.of(0x40),
          text('n'.repeat(4000)),
          text(''),
          repeated(40_000, Buffer.of(0x7e, 0))
        ])
      )
    ],
    [
      'has very many short lines',
      headers(3, Buffer.concat([CONNECT, repeated(30_000, Buffer.concat([integer(0, 4, 15), text('')]))]))
    ]
  ])('%s', async (_, sent) => {
    const peer = await fixture.peer()
    peer.send(sent)
    expect(codeName(await peer.brokenBy())).toBe('enhanceYourCalm')
  })
})

describe('keeps little for a peer that', () => {
  it('never opens its windows', async () => {
    const block = Buffer.alloc(MEBIBYTE)
    const generous = await fixture.mesh.application(socket => {
      for (let count = 0; count < 16; count++) socket.write(block)
    })
    const peer = await fixture.peer(generous, fixture.pod, [SETTING.initialWindowSize, 0])
    peer.send(streams(100, id => connect(id, generous)))
    await peer.status(201)
    await peer.sync()
  })

  it('does not read what it asked for', async () => {
    const block = Buffer.alloc(MEBIBYTE)
    const generous = await fixture.mesh.application(socket => {
      for (let count = 0; count < 64; count++) socket.write(block)
    })
    const peer = await fixture.peer(generous, fixture.pod, [SETTING.initialWindowSize, 0x7fffffff])
    peer.socket.pause()
    peer.send(windowUpdate(0, 0x7fffffff - 65_535), ...[3, 5, 7, 9].map(id => connect(id, generous)))
    await fixture.pod.until(() => fixture.pod.streams.length >= 4)
    peer.socket.destroy()
  })

  it('sends PING and never reads the answers', async () => {
    const peer = await fixture.peer()
    peer.socket.pause()
    peer.send(repeated(100_000, ping()))
    await closes(peer)
  })

  it('resets streams that are over', async () => {
    const peer = await fixture.peer()
    peer.send(connect(3, fixture.application), rstStream(3, 8), repeated(20_000, rstStream(3, 8)))
    await peer.sync()
  })

  it('opens a table as large as it likes', async () => {
    const peer = await fixture.peer(fixture.application, fixture.pod, [SETTING.headerTableSize, 0xffffffff])
    for (let id = 3; id < 103; id += 2) {
      peer.send(connect(id, fixture.application, FLAG.endStream))
      expect(await peer.status(id)).toBe(200)
    }
  })
})

async function closes(peer: FramePeer): Promise<void> {
  // Paused, so only the end of the connection shows; reading on shows that there is one.
  const failed = once(peer.socket, 'close')
  peer.socket.resume()
  await failed
}
