import { describe, expect, it } from 'vitest'
import { createDataPath } from './index.ts'
import { FrameFixture } from './testing/frame-fixture.ts'
import { codeName, connect, connectFields, frameClient, frameServer } from './testing/frame-peer.ts'
import {
  data,
  FLAG,
  fields,
  frame,
  frameHeader,
  goaway,
  headers,
  PREFACE,
  ping,
  rstStream,
  SETTING,
  settings,
  settingsAck,
  TYPE,
  u32,
  windowUpdate
} from './testing/frames.ts'

// Which frames end a connection, and with which error (RFC 9113). Another tunnel of the pod goes on all the while.

const fixture = new FrameFixture(() => createDataPath({ log: { warn: () => {}, debug: () => {} } }))

const GOOD = fields([':method', 'CONNECT'], [':authority', '127.0.0.1:1'])
const OVERFLOW = 0x7fffffff

describe('a client that greeted and has stream 1 open', () => {
  it.each<[what: string, sent: Buffer, code: string]>([
    ['DATA on stream 0', data(0, 'x'), 'protocolError'],
    ['DATA on an idle stream', data(3, 'x'), 'protocolError'],
    ['DATA on a stream of ours', data(2, 'x'), 'protocolError'],
    ['DATA that is all padding', frame(TYPE.data, FLAG.padded, 1, Buffer.of(4, 0, 0)), 'protocolError'],
    ['padded DATA without the length of it', frame(TYPE.data, FLAG.padded, 1), 'frameSizeError'],
    ['HEADERS on stream 0', headers(0, GOOD), 'protocolError'],
    ['HEADERS on a stream of ours', headers(2, GOOD), 'protocolError'],
    ['HEADERS that are all padding', frame(TYPE.headers, 0xc, 3, Buffer.of(9, 0, 0)), 'protocolError'],
    ['padded HEADERS without the length of it', frame(TYPE.headers, 0xc, 3), 'frameSizeError'],
    ['HEADERS too short for their priority', frame(TYPE.headers, 0x24, 3, Buffer.alloc(4)), 'frameSizeError'],
    ['CONTINUATION without HEADERS', frame(TYPE.continuation, FLAG.endHeaders, 1), 'protocolError'],
    [
      'CONTINUATION after whole HEADERS',
      Buffer.concat([headers(3, GOOD), frame(TYPE.continuation, 4, 3)]),
      'protocolError'
    ],
    [
      'another stream within a header block',
      Buffer.concat([frame(TYPE.headers, 0, 3, GOOD), data(1, 'x')]),
      'protocolError'
    ],
    ['another frame within a header block', Buffer.concat([frame(TYPE.headers, 0, 3, GOOD), ping()]), 'protocolError'],
    [
      'an unknown frame within a header block',
      Buffer.concat([frame(TYPE.headers, 0, 3, GOOD), frame(99, 0, 3)]),
      'protocolError'
    ],
    [
      'CONTINUATION of another stream',
      Buffer.concat([frame(TYPE.headers, 0, 3, GOOD), frame(TYPE.continuation, 4, 5)]),
      'protocolError'
    ],
    ['a stream id below the last one', Buffer.concat([headers(7, GOOD), headers(5, GOOD)]), 'protocolError'],
    ['PRIORITY on stream 0', frame(TYPE.priority, 0, 0, Buffer.alloc(5)), 'protocolError'],
    ['PRIORITY of 4 octets', frame(TYPE.priority, 0, 1, Buffer.alloc(4)), 'frameSizeError'],
    ['RST_STREAM on stream 0', rstStream(0, 8), 'protocolError'],
    ['RST_STREAM on an idle stream', rstStream(3, 8), 'protocolError'],
    ['RST_STREAM of 3 octets', frame(TYPE.rstStream, 0, 1, Buffer.alloc(3)), 'frameSizeError'],
    ['SETTINGS on a stream', frame(TYPE.settings, 0, 1), 'protocolError'],
    ['SETTINGS of 5 octets', frame(TYPE.settings, 0, 0, Buffer.alloc(5)), 'frameSizeError'],
    ['an acknowledgement with settings', frame(TYPE.settings, FLAG.ack, 0, Buffer.alloc(6)), 'frameSizeError'],
    ['SETTINGS larger than anything meant', frame(TYPE.settings, 0, 0, Buffer.alloc(6 * 2731)), 'frameSizeError'],
    ['ENABLE_PUSH of 2', settings([SETTING.enablePush, 2]), 'protocolError'],
    ['INITIAL_WINDOW_SIZE of 2^31', settings([SETTING.initialWindowSize, 2 ** 31]), 'flowControlError'],
    [
      'a stream window above 2^31-1 by SETTINGS',
      Buffer.concat([windowUpdate(1, OVERFLOW - 65535), settings([SETTING.initialWindowSize, 65536])]),
      'flowControlError'
    ],
    ['MAX_FRAME_SIZE of 16383', settings([SETTING.maxFrameSize, 16383]), 'protocolError'],
    ['MAX_FRAME_SIZE of 2^24', settings([SETTING.maxFrameSize, 2 ** 24]), 'protocolError'],
    ['PUSH_PROMISE', frame(TYPE.pushPromise, FLAG.endHeaders, 1, Buffer.concat([u32(2), GOOD])), 'protocolError'],
    ['PING on a stream', frame(TYPE.ping, 0, 1, Buffer.alloc(8)), 'protocolError'],
    ['PING of 7 octets', frame(TYPE.ping, 0, 0, Buffer.alloc(7)), 'frameSizeError'],
    ['GOAWAY on a stream', frame(TYPE.goaway, 0, 1, Buffer.alloc(8)), 'protocolError'],
    ['GOAWAY of 7 octets', frame(TYPE.goaway, 0, 0, Buffer.alloc(7)), 'frameSizeError'],
    ['WINDOW_UPDATE of 5 octets', frame(TYPE.windowUpdate, 0, 1, Buffer.alloc(5)), 'frameSizeError'],
    ['WINDOW_UPDATE on an idle stream', windowUpdate(3, 1), 'protocolError'],
    ['WINDOW_UPDATE of 0 for the connection', windowUpdate(0, 0), 'protocolError'],
    ['a connection window above 2^31-1', windowUpdate(0, OVERFLOW), 'flowControlError'],
    ['a frame above MAX_FRAME_SIZE', frameHeader(1_048_577, TYPE.data, 0, 1), 'frameSizeError'],
    ['an unknown frame above MAX_FRAME_SIZE', frameHeader(1_048_577, 99, 0, 0), 'frameSizeError'],
    ['the preface a second time', PREFACE, 'frameSizeError']
  ])('%s', async (_, sent, code) => {
    const peer = await fixture.peer()
    peer.send(sent)
    expect(codeName(await peer.brokenBy())).toBe(code)
  })

  it.each<[what: string, sent: Buffer]>([
    ['DATA', data(1, 'x')],
    ['trailers', headers(1, fields(['grpc-status', '0']), FLAG.endStream)]
  ])('%s after both ends of a stream: STREAM_CLOSED', async (_, sent) => {
    const peer = await frameClient(fixture.mesh, fixture.pod.address('inbound-hbone'))
    peer.greet()
    peer.send(connect(1, fixture.application, FLAG.endStream))
    await peer.until(() => peer.of(1, TYPE.data).some(({ flags }) => (flags & FLAG.endStream) !== 0))
    peer.send(sent)
    expect(codeName(await peer.brokenBy())).toBe('streamClosed')
  })
})

describe('a client that has not greeted', () => {
  it.each<[what: string, sent: Buffer]>([
    ['says another preface', Buffer.from('GET / HTTP/1.1\r\nHost: pod\r\n\r\n')],
    ['changes the last octet of the preface', Buffer.concat([PREFACE.subarray(0, -1), Buffer.of(0)])],
    ['begins with PING', Buffer.concat([PREFACE, ping()])],
    ['begins with a request', Buffer.concat([PREFACE, headers(1, GOOD)])],
    ['begins with an acknowledgement', Buffer.concat([PREFACE, settingsAck])],
    ['begins with an unknown frame', Buffer.concat([PREFACE, frame(99, 0, 0)])]
  ])('%s', async (_, sent) => {
    const peer = await frameClient(fixture.mesh, fixture.pod.address('inbound-hbone'))
    const before = fixture.pod.handshakeFailures.length
    peer.send(sent)
    expect(codeName(await peer.brokenBy())).toBe('protocolError')
    await fixture.pod.until(() => fixture.pod.handshakeFailures.length > before)
    expect(fixture.pod.handshakeFailures.at(-1)).toMatch(/^http2 handshake failed: /)
  })

  it('is welcome without ALPN, and not with another protocol', async () => {
    const peer = await frameClient(fixture.mesh, fixture.pod.address('inbound-hbone'), { alpn: [] })
    peer.greet()
    peer.send(connect(1, fixture.application))
    expect(await peer.status(1)).toBe(200)
    await expect(
      frameClient(fixture.mesh, fixture.pod.address('inbound-hbone'), { alpn: ['http/1.1'] })
    ).rejects.toThrow(/no application protocol/)
  })
})

describe('a server whose client asked for stream 1', () => {
  it.each<[what: string, sent: Buffer, code: string]>([
    ['PUSH_PROMISE', frame(TYPE.pushPromise, FLAG.endHeaders, 1, Buffer.concat([u32(2), GOOD])), 'protocolError'],
    ['ENABLE_PUSH of 1', settings([SETTING.enablePush, 1]), 'protocolError'],
    ['HEADERS on a stream of its own', headers(2, Buffer.of(0x88)), 'protocolError'],
    ['HEADERS on a stream nobody opened', headers(3, Buffer.of(0x88)), 'protocolError'],
    ['DATA on a stream nobody opened', data(3, 'x'), 'protocolError'],
    ['RST_STREAM on a stream nobody opened', rstStream(3, 8), 'protocolError'],
    ['WINDOW_UPDATE on a stream nobody opened', windowUpdate(2, 8), 'protocolError'],
    ['a header block that cannot be decoded', headers(1, Buffer.of(0xff)), 'compressionError'],
    [
      'DATA above the window',
      Buffer.concat([headers(1, Buffer.of(0x88)), data(1, Buffer.alloc(65_536))]),
      'flowControlError'
    ]
  ])('%s', async (_, sent, code) => {
    const server = await frameServer(fixture.mesh, () => {})
    const http2 = { streamWindow: 65_535, connectionWindow: 65_535 }
    const client = await fixture.mesh.client(() => server.address, fixture.application, { http2 })
    const socket = await fixture.mesh.connect(client.address('outbound'))
    await expect.poll(() => server.peers.length).toBe(1)
    const peer = server.peers[0]!
    await peer.next(1, TYPE.headers)
    peer.send(settings(), settingsAck, sent)
    expect(codeName(await peer.brokenBy())).toBe(code)
    socket.end()
    await client.outcome()
    await client.path.close()
  })

  it('begins with something else than SETTINGS', async () => {
    const server = await frameServer(fixture.mesh, peer => peer.send(ping()))
    const client = await fixture.mesh.client(() => server.address, fixture.application)
    await fixture.mesh.connect(client.address('outbound'))
    expect((await client.outcome()).failure).toMatchObject({ code: 'HTTP2' })
    expect(codeName(await server.peers[0]!.brokenBy())).toBe('protocolError')
    await client.path.close()
  })
})

describe('what has no consequence', () => {
  it.each<[what: string, sent: Buffer]>([
    ['an unknown frame', Buffer.concat([frame(99, 0xff, 1, Buffer.alloc(70_000)), frame(0x10, 0, 0)])],
    [
      'an unknown setting, and ones that are advice',
      settings([77, 7], [SETTING.maxHeaderListSize, 1], [SETTING.maxConcurrentStreams, 0])
    ],
    ['a second acknowledgement', settingsAck],
    ['an answer to a PING that nobody sent', ping(FLAG.ack)],
    [
      'PRIORITY for streams of any state',
      Buffer.concat([1, 2, 99].map(id => frame(TYPE.priority, 0, id, Buffer.alloc(5))))
    ],
    ['GOAWAY of a client, with much debug data', goaway(0, 0, 'x'.repeat(100_000))],
    ['the reserved bit of a stream id', frame(TYPE.windowUpdate, 0, 1 + 2 ** 31, u32(1 + 2 ** 31))],
    [
      'flags that mean nothing here',
      Buffer.concat([frame(TYPE.ping, 0xfe, 0, Buffer.alloc(8)), frame(TYPE.windowUpdate, 0xff, 0, u32(1))])
    ],
    ['empty DATA', data(1, '')],
    [
      'padding, also as the whole of a frame',
      Buffer.concat([
        frame(TYPE.data, FLAG.padded, 1, Buffer.of(2, 0, 0)),
        frame(TYPE.data, FLAG.padded, 1, Buffer.of(0))
      ])
    ]
  ])('%s', async (_, sent) => {
    const peer = await fixture.peer()
    peer.send(sent)
    await peer.sync()
    peer.send(data(1, 'x'))
    await peer.until(() => peer.text(1) === 'x')
  })

  it('reads frames octet by octet', async () => {
    const peer = await frameClient(fixture.mesh, fixture.pod.address('inbound-hbone'))
    const padded = Buffer.concat([Buffer.of(3), connectFields(fixture.application), Buffer.alloc(3)])
    const all = Buffer.concat([
      PREFACE,
      settings(),
      settingsAck,
      frame(TYPE.headers, FLAG.endHeaders | FLAG.padded, 1, padded),
      goaway(0, 0, 'debug'),
      frame(99, 0, 0, Buffer.alloc(10)),
      frame(TYPE.data, FLAG.padded | FLAG.endStream, 1, Buffer.from('\x02hello\0\0')),
      ping()
    ])
    for (const octet of all) peer.send(Buffer.of(octet))
    await peer.until(() => peer.of(0, TYPE.ping).length === 1)
    await peer.until(() => peer.text(1) === 'hello')
  })
})
