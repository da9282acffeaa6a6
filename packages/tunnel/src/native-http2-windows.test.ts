import type net from 'node:net'
import { expect, it } from 'vitest'
import { createDataPath } from './index.ts'
import { echoes, FrameFixture } from './testing/frame-fixture.ts'
import { codeName, connect, type FramePeer } from './testing/frame-peer.ts'
import { data, FLAG, frame, SETTING, settings, TYPE, windowUpdate } from './testing/frames.ts'

// Flow control (RFC 9113 sections 5.2, 6.5.2, 6.9).

const fixture = new FrameFixture(() => createDataPath({ log: { warn: () => {}, debug: () => {} } }))

const OVERFLOW = 0x7fffffff

/** An application that sends so much to everybody, a different octet every time. */
function sender(size: number): Promise<{ ip: string; port: number }> {
  const bytes = Buffer.from(Array.from({ length: size }, (_, index) => index % 251))
  return fixture.mesh.application(socket => socket.write(bytes))
}

function received(peer: FramePeer, stream: number): Buffer {
  return Buffer.concat(peer.of(stream, TYPE.data).map(({ payload }) => payload))
}

/** Exactly so much has come, in the right order, and no more comes. */
async function expectReceived(peer: FramePeer, stream: number, size: number): Promise<void> {
  await peer.until(() => received(peer, stream).length >= size)
  await peer.sync()
  const bytes = received(peer, stream)
  expect(bytes.length).toBe(size)
  expect(bytes.every((octet, index) => octet === index % 251)).toBe(true)
}

it('sends what the window of a stream allows, through changes of INITIAL_WINDOW_SIZE in both directions', async () => {
  const peer = await fixture.peer(await sender(100_000), fixture.pod, [SETTING.initialWindowSize, 0])
  await expectReceived(peer, 1, 0)
  peer.send(windowUpdate(1, 5))
  await expectReceived(peer, 1, 5)
  peer.send(settings([SETTING.initialWindowSize, 10]))
  await expectReceived(peer, 1, 15)
  // Less than was sent: the window is -10, then 0, then 1.
  peer.send(settings([SETTING.initialWindowSize, 0]))
  await expectReceived(peer, 1, 15)
  peer.send(windowUpdate(1, 10))
  await expectReceived(peer, 1, 15)
  peer.send(windowUpdate(1, 1))
  await expectReceived(peer, 1, 16)
  // What counts of several values is the last.
  peer.send(settings([SETTING.initialWindowSize, 50_000], [SETTING.initialWindowSize, 7]))
  await expectReceived(peer, 1, 23)
  // New streams begin with the new value.
  peer.send(connect(3, await sender(100)))
  await expectReceived(peer, 3, 7)
})

it('sends what the window of the connection allows, to all streams together', async () => {
  const peer = await fixture.peer(await sender(60_000), fixture.pod, [SETTING.initialWindowSize, 1_000_000])
  await expectReceived(peer, 1, 60_000)
  peer.send(connect(3, await sender(60_000)))
  await expectReceived(peer, 3, 5_535)
  // Changes for streams are none for the connection.
  peer.send(settings([SETTING.initialWindowSize, 2_000_000]), windowUpdate(3, 100_000))
  await expectReceived(peer, 3, 5_535)
  peer.send(windowUpdate(0, 465))
  await expectReceived(peer, 3, 6_000)
  peer.send(windowUpdate(0, 1_000_000))
  await expectReceived(peer, 3, 60_000)
})

it('sends through a window that opens one octet at a time', async () => {
  const peer = await fixture.peer(await sender(1000), fixture.pod, [SETTING.initialWindowSize, 0])
  for (let count = 0; count < 1000; count++) peer.send(windowUpdate(1, 1))
  await expectReceived(peer, 1, 1000)
})

it('sends frames as large as the peer allows', async () => {
  const peer = await fixture.peer(await sender(60_000))
  await expectReceived(peer, 1, 60_000)
  peer.send(settings([SETTING.maxFrameSize, 40_000]), windowUpdate(0, 100_000), connect(3, await sender(60_000)))
  await expectReceived(peer, 3, 60_000)
  const largest = (stream: number): number =>
    Math.max(...peer.of(stream, TYPE.data).map(({ payload }) => payload.length))
  expect(largest(1)).toBeLessThanOrEqual(16_384)
  expect(largest(3)).toBeLessThanOrEqual(40_000)
})

it.each<[what: string, sent: Buffer, code: string]>([
  ['a WINDOW_UPDATE of 0', windowUpdate(3, 0), 'protocolError'],
  ['a window above 2^31-1', windowUpdate(3, OVERFLOW), 'flowControlError']
])('resets only the stream of %s', async (_, sent, code) => {
  const peer = await fixture.peer()
  peer.send(connect(3, fixture.application))
  await peer.status(3)
  peer.send(sent)
  expect(codeName(await peer.reset(3))).toBe(code)
  await echoes(peer, 1, 'x')
})

it('resets a stream whose peer sends more than its window, and no other', async () => {
  const pod = await fixture.server({ http2: { streamWindow: 65_535, connectionWindow: 1_000_000 } })
  const deaf = await fixture.mesh.application(socket => socket.pause())
  const peer = await fixture.peer(fixture.application, pod)
  // Before it is connected nothing is passed on, so nothing is given back.
  peer.send(connect(3, deaf), ...Array.from({ length: 5 }, () => data(3, Buffer.alloc(16_384))))
  expect(codeName(await peer.reset(3))).toBe('flowControlError')
  await echoes(peer, 1, 'x')
})

it('gives back padding as well, to the stream and to the connection', async () => {
  const pod = await fixture.server({ http2: { streamWindow: 65_535, connectionWindow: 65_535 } })
  const peer = await fixture.peer(fixture.application, pod)
  const padded = frame(TYPE.data, FLAG.padded, 1, Buffer.concat([Buffer.of(255), Buffer.from('x'), Buffer.alloc(255)]))
  for (let count = 0; count < 2000; count += 100) {
    peer.send(...Array.from({ length: 100 }, () => padded))
    await peer.until(() => peer.text(1).length === count + 100)
  }
})

it('stops reading for an application that does not, and passes everything on later', async () => {
  const accepted = Promise.withResolvers<net.Socket>()
  const slow = await fixture.mesh.application(socket => {
    socket.pause()
    accepted.resolve(socket)
  })
  const peer = await fixture.peer(slow)
  const sent = 128 * 1_048_576
  const frames = sent / 16_384
  // Only as much as the other side allows.
  let allowed = 4 * 1_048_576
  let seen = 0
  let given = 0
  const send = (): void => {
    for (; seen < peer.frames.length; seen++) {
      const one = peer.frames[seen]!
      if (one.type === TYPE.windowUpdate && one.stream === 1) allowed += one.payload.readUInt32BE(0)
    }
    while (given < frames && allowed >= 16_384) {
      const last = given === frames - 1
      peer.socket.write(data(1, Buffer.alloc(16_384, given % 251), last ? FLAG.endStream : 0))
      given++
      allowed -= 16_384
    }
  }
  peer.socket.on('data', send)
  send()
  await peer.sync()
  const socket = await accepted.promise
  let at = 0
  for await (const chunk of socket) {
    for (const octet of [chunk[0], chunk[chunk.length - 1]] as number[]) {
      const place = octet === chunk[0] ? at : at + chunk.length - 1
      expect(octet).toBe(Math.floor(place / 16_384) % 251)
    }
    at += chunk.length
  }
  expect(at).toBe(sent)
})
