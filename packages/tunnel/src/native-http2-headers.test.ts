import { describe, expect, it } from 'vitest'
import { createDataPath } from './index.ts'
import { echoes, FrameFixture } from './testing/frame-fixture.ts'
import { codeName, frameServer } from './testing/frame-peer.ts'
import { data, FLAG, fields, frame, headers, settings, settingsAck, TYPE } from './testing/frames.ts'

// Requests, responses and trailers, well and malformed (RFC 9113 section 8).

const fixture = new FrameFixture(() => createDataPath({ log: { warn: () => {}, debug: () => {} } }))

type Lines = readonly (readonly [name: string, value: string])[]

const CONNECT: Lines = [
  [':method', 'CONNECT'],
  [':authority', '127.0.0.1:1']
]
const GET: Lines = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/']
]

describe('a malformed request', () => {
  it.each<[what: string, lines: Lines]>([
    ['a name in upper case', [...CONNECT, ['Baggage', 'x']]],
    ['an empty name', [...CONNECT, ['', 'x']]],
    ['a blank in a name', [...CONNECT, ['a b', 'x']]],
    ['a colon in a name', [...CONNECT, ['a:b', 'x']]],
    ['an octet above ASCII in a name', [...CONNECT, ['a\xe4', 'x']]],
    ['DEL in a name', [...CONNECT, ['a\x7f', 'x']]],
    ['a line feed in a value', [...CONNECT, ['a', 'x\ny']]],
    ['a carriage return in a value', [...CONNECT, ['a', 'x\ry']]],
    ['NUL in a value', [...CONNECT, ['a', 'x\0y']]],
    ['a blank before a value', [...CONNECT, ['a', ' x']]],
    ['a tab behind a value', [...CONNECT, ['a', 'x\t']]],
    ['a line feed in :authority', [CONNECT[0]!, [':authority', 'a\nb']]],
    ['connection', [...CONNECT, ['connection', 'close']]],
    ['proxy-connection', [...CONNECT, ['proxy-connection', 'close']]],
    ['keep-alive', [...CONNECT, ['keep-alive', '1']]],
    ['transfer-encoding', [...CONNECT, ['transfer-encoding', 'chunked']]],
    ['upgrade', [...CONNECT, ['upgrade', 'h2c']]],
    ['te with another value than trailers', [...CONNECT, ['te', 'gzip']]],
    ['a pseudo-header behind a header', [CONNECT[0]!, ['a', 'b'], CONNECT[1]!]],
    ['two methods', [CONNECT[0]!, ...CONNECT]],
    ['two authorities', [...CONNECT, CONNECT[1]!]],
    ['a pseudo-header in upper case', [CONNECT[0]!, [':Authority', 'x']]],
    ['a pseudo-header that is unknown', [...CONNECT, [':more', 'x']]],
    ['the pseudo-header of a response', [...CONNECT, [':status', '200']]],
    ['extended CONNECT, which is not enabled', [...GET, ...CONNECT, [':protocol', 'websocket']]],
    ['CONNECT with :scheme', [...CONNECT, [':scheme', 'http']]],
    ['CONNECT with :path', [...CONNECT, [':path', '/']]],
    ['no method', [CONNECT[1]!]],
    ['an empty method', [[':method', ''], CONNECT[1]!]],
    ['nothing at all', []],
    ['GET without :path', GET.slice(0, 2)],
    ['GET without :scheme', [GET[0]!, GET[2]!]],
    ['GET with an empty :path', [...GET.slice(0, 2), [':path', '']]]
  ])('with %s is reset, and nobody hears of it', async (_, lines) => {
    const peer = await fixture.peer()
    const before = fixture.pod.streams.length
    peer.send(headers(3, fields(...lines)))
    expect(codeName(await peer.reset(3))).toBe('protocolError')
    await echoes(peer, 1, 'x')
    expect(fixture.pod.streams).toHaveLength(before)
  })
})

it('hands on every other header as it came', async () => {
  const pod = await fixture.server({ stream: () => ({ kind: 'answer', status: 400 }) })
  const lines: Lines = [
    ['te', 'trailers'],
    ['empty', ''],
    ['obs-text', 'gr\xfc\xdf'],
    ['again', '1'],
    ['again', '2'],
    ['inner', 'a \t b']
  ]
  const peer = await fixture.peer(fixture.application, pod)
  expect(await peer.status(1)).toBe(400)
  peer.send(headers(3, fields(...CONNECT, ...lines)), headers(5, fields(CONNECT[0]!)), headers(7, fields(...GET)))
  expect([await peer.status(3), await peer.status(5), await peer.status(7)]).toEqual([400, 400, 400])
  const [, third, fifth, seventh] = pod.streams
  expect(third?.headers.map(([name]) => name)).toEqual(lines.map(([name]) => name))
  expect(third?.headers.at(-1)?.[1]).toBe('a \t b')
  expect(fifth).toMatchObject({ method: 'CONNECT', headers: [] })
  expect(fifth?.authority).toBeUndefined()
  expect(seventh).toMatchObject({ method: 'GET', headers: [] })
})

it('answers a header list above 65536 with 431, and goes on', async () => {
  const peer = await fixture.peer()
  const before = fixture.pod.streams.length
  const block = fields(...CONNECT, ...Array.from({ length: 70 }, (_, index) => [`h${index}`, 'v'.repeat(950)] as const))
  peer.send(
    frame(TYPE.headers, 0, 3, block.subarray(0, 16_384)),
    ...[1, 2, 3, 4].map(part => {
      const flags = part === 4 ? FLAG.endHeaders : 0
      return frame(
        TYPE.continuation,
        flags,
        3,
        block.subarray(part * 16_384, part === 4 ? undefined : (part + 1) * 16_384)
      )
    })
  )
  expect(await peer.status(3)).toBe(431)
  expect(codeName(await peer.reset(3))).toBe('noError')
  expect(fixture.pod.streams).toHaveLength(before)
  await echoes(peer, 1, 'x')
})

describe('trailers', () => {
  it('mean the same as END_STREAM', async () => {
    const peer = await fixture.peer()
    await echoes(peer, 1, 'x')
    peer.send(headers(1, fields(['grpc-status', '0']), FLAG.endStream))
    await peer.until(() => peer.of(1, TYPE.data).some(({ flags }) => (flags & FLAG.endStream) !== 0))
  })

  it.each<[what: string, lines: Lines, flags: number]>([
    ['without END_STREAM', [['a', 'b']], 0],
    ['with a pseudo-header', [[':authority', 'x']], FLAG.endStream],
    ['with a name in upper case', [['A', 'b']], FLAG.endStream],
    ['with a connection-specific header', [['connection', 'close']], FLAG.endStream]
  ])('%s are an error of the stream', async (_, lines, flags) => {
    const peer = await fixture.peer()
    peer.send(headers(1, fields(...lines), flags))
    expect(codeName(await peer.reset(1))).toBe('protocolError')
    await peer.sync()
  })
})

describe('a malformed response', () => {
  it.each<[what: string, sent: Buffer]>([
    ['no :status', headers(1, fields(['a', 'b']))],
    ['two of :status', headers(1, Buffer.of(0x88, 0x88))],
    [':status of two digits', headers(1, fields([':status', '20']))],
    [':status that is no number', headers(1, fields([':status', '2oo']))],
    ['a pseudo-header of a request', headers(1, fields([':status', '200'], [':path', '/']))],
    ['a name in upper case', headers(1, fields([':status', '200'], ['Baggage', 'x']))],
    ['100 that ends the stream', headers(1, fields([':status', '100']), FLAG.endStream)],
    ['a header list above 16384', headers(1, fields([':status', '200'], ['a', 'b'.repeat(16_400)]))],
    ['DATA before the answer', data(1, 'x')]
  ])('%s: the stream is reset and its connection fails', async (_, sent) => {
    const server = await frameServer(fixture.mesh, peer => peer.send(settings(), settingsAck))
    const client = await fixture.mesh.client(() => server.address, fixture.application)
    await fixture.mesh.connect(client.address('outbound'))
    await expect.poll(() => server.peers.length).toBe(1)
    const [peer] = server.peers
    await peer!.next(1, TYPE.headers)
    peer!.send(sent)
    expect(codeName(await peer!.reset(1))).toBe('protocolError')
    expect((await client.outcome()).failure).toEqual({ code: 'HTTP2', detail: 'stream reset: PROTOCOL_ERROR' })
    await peer!.sync()
    await client.path.close()
  })

  it('is none when others of the hundreds come first', async () => {
    const server = await frameServer(fixture.mesh, peer => peer.send(settings(), settingsAck))
    const client = await fixture.mesh.client(() => server.address, fixture.application)
    const socket = await fixture.mesh.connect(client.address('outbound'))
    await expect.poll(() => server.peers.length).toBe(1)
    const [peer] = server.peers
    await peer!.next(1, TYPE.headers)
    peer!.send(headers(1, fields([':status', '103'])), headers(1, fields([':status', '200'], ['baggage', 'a=b'])))
    await client.until(() => client.opens.length === 1)
    expect(client.opens[0]?.baggage).toEqual(['a=b'])
    socket.destroy()
    await client.path.close()
  })
})
