import { once } from 'node:events'
import http2 from 'node:http2'
import type tls from 'node:tls'
import { describe, expect, it } from 'vitest'
import type { HboneServerStream } from './index.ts'
import { HboneFixture } from './testing/hbone-fixture.ts'
import { CLIENT_PREFACE, decodeFrames, encodeFrame, encodeHeaders, FRAME, type Frame } from './testing/raw-http2.ts'

const END_STREAM = 1
const END_HEADERS = 4
const PROTOCOL_ERROR = 1
const REFUSED_STREAM = 7

/** A tunnel whose client is written frame by frame. */
class RawTunnel {
  readonly frames: Frame[] = []
  readonly socket: tls.TLSSocket
  readonly #waiters = new Set<() => void>()

  constructor(socket: tls.TLSSocket) {
    this.socket = socket
    let rest: Buffer = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('data', chunk => {
      const decoded = decodeFrames(Buffer.concat([rest, chunk]))
      rest = decoded.rest
      this.frames.push(...decoded.frames)
      this.#wake()
    })
    socket.on('close', () => this.#wake())
  }

  static async open(fixture: HboneFixture, port: number): Promise<RawTunnel> {
    const tunnel = new RawTunnel(fixture.connectTls(port))
    await once(tunnel.socket, 'secureConnect')
    tunnel.socket.write(Buffer.concat([CLIENT_PREFACE, encodeFrame(FRAME.settings)]))
    return tunnel
  }

  request(stream: number, fields: readonly (readonly [string, string])[], flags = END_HEADERS): void {
    this.socket.write(encodeFrame(FRAME.headers, flags, stream, encodeHeaders(fields)))
  }

  connect(stream: number): void {
    this.request(stream, [
      [':method', 'CONNECT'],
      [':authority', '10.0.0.1:80']
    ])
  }

  async frame(matches: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const found = this.frames.find(matches)
      if (found !== undefined) return found
      if (this.socket.destroyed) throw new Error('closed before the frame came')
      await new Promise<void>(resolve => this.#waiters.add(resolve))
    }
  }

  #wake(): void {
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    for (const wake of waiters) wake()
  }
}

function lines(length: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length }, (_, index) => [`x${index}`, 'y']))
}

describe('an accepted tunnel', () => {
  it('[hbone-9] hands on a GET with scheme and path, and answers without a body', async () => {
    await using fixture = await HboneFixture.create()
    const streams: HboneServerStream[] = []
    const { port } = await fixture.serve({
      onStream(stream) {
        streams.push(stream)
        stream.answer(400)
      }
    })
    const tunnel = await RawTunnel.open(fixture, port)
    tunnel.request(1, [
      [':method', 'GET'],
      [':scheme', 'https'],
      [':path', '/'],
      [':authority', 'stock.shop']
    ])
    const headers = await tunnel.frame(({ type }) => type === FRAME.headers)
    expect(headers.flags).toBe(END_HEADERS | END_STREAM)
    // One field, from HPACK's static table: `:status 400`.
    expect(headers.payload.toString('hex')).toBe('8c')
    // The request was not over: its rest is not wanted.
    const reset = await tunnel.frame(({ type, stream }) => type === FRAME.reset && stream === 1)
    expect(reset.payload.readUInt32BE()).toBe(0)
    expect(tunnel.frames.filter(({ type }) => type === FRAME.data)).toEqual([])
    expect(streams).toMatchObject([{ method: 'GET', authority: 'stock.shop' }])
  })

  it.each([
    {
      with: 'scheme and path',
      fields: [
        [':scheme', 'https'],
        [':path', '/'],
        [':authority', '10.0.0.1:80']
      ]
    },
    { with: 'no authority', fields: [] }
  ] as const)('resets a CONNECT with $with', async ({ fields }) => {
    await using fixture = await HboneFixture.create()
    const { port } = await fixture.serve({ onStream: () => expect.unreachable() })
    const tunnel = await RawTunnel.open(fixture, port)
    tunnel.request(1, [[':method', 'CONNECT'], ...fields])
    const reset = await tunnel.frame(({ type }) => type === FRAME.reset)
    expect(reset.payload.readUInt32BE()).toBe(PROTOCOL_ERROR)
  })

  it('refuses a stream beyond 200', async () => {
    await using fixture = await HboneFixture.create()
    const { port } = await fixture.serve()
    const tunnel = await RawTunnel.open(fixture, port)
    for (let index = 0; index <= 200; index++) tunnel.connect(1 + 2 * index)
    const reset = await tunnel.frame(({ type }) => type === FRAME.reset)
    expect([reset.stream, reset.payload.readUInt32BE()]).toEqual([401, REFUSED_STREAM])
    await tunnel.frame(({ type, stream }) => type === FRAME.headers && stream === 399)
  })

  it('goes on after thousands of streams that their clients aborted', async () => {
    await using fixture = await HboneFixture.create()
    const { port } = await fixture.serve({ onStream: stream => stream.answer(503) })
    const tunnel = await RawTunnel.open(fixture, port)
    const last = 6001
    for (let stream = 1; stream < last; stream += 2) {
      tunnel.connect(stream)
      tunnel.socket.write(encodeFrame(FRAME.reset, 0, stream, Buffer.from([0, 0, 0, 8])))
    }
    tunnel.connect(last)
    await tunnel.frame(({ type, stream }) => type === FRAME.headers && stream === last)
    expect(tunnel.frames.filter(({ type }) => type === FRAME.goaway)).toEqual([])
  })

  it('keeps header lines in order, repeated ones too', async () => {
    await using fixture = await HboneFixture.create()
    const seen = Promise.withResolvers<HboneServerStream>()
    const { port } = await fixture.serve({ onStream: seen.resolve })
    const tunnel = await RawTunnel.open(fixture, port)
    tunnel.request(1, [
      [':method', 'CONNECT'],
      [':authority', '10.0.0.1:80'],
      ['baggage', 'a=b'],
      ['forwarded', 'for=x'],
      ['baggage', 'c=d']
    ])
    expect((await seen.promise).headers).toEqual([
      ['baggage', 'a=b'],
      ['forwarded', 'for=x'],
      ['baggage', 'c=d']
    ])
  })

  it('[hbone-30] says GOAWAY when it drains, serves open streams, and closes after the last', async () => {
    await using fixture = await HboneFixture.create()
    const { server, port } = await fixture.serve()
    const tunnel = await RawTunnel.open(fixture, port)
    tunnel.connect(1)
    await tunnel.frame(({ type, stream }) => type === FRAME.headers && stream === 1)
    const drained = server.drain({ deadline: new AbortController().signal })
    const goaway = await tunnel.frame(({ type }) => type === FRAME.goaway)
    expect([goaway.payload.readUInt32BE(0), goaway.payload.readUInt32BE(4)]).toEqual([1, 0])
    tunnel.socket.write(encodeFrame(FRAME.data, END_STREAM, 1, Buffer.from('x')))
    const data = await tunnel.frame(({ type, payload }) => type === FRAME.data && payload.length > 0)
    expect(data.payload.toString()).toBe('x')
    await drained
    expect(server.size).toBe(0)
  })

  it('ignores empty DATA and takes trailers for an end', async () => {
    await using fixture = await HboneFixture.create()
    const { port } = await fixture.serve()
    const tunnel = await RawTunnel.open(fixture, port)
    tunnel.connect(1)
    tunnel.socket.write(encodeFrame(FRAME.data, 0, 1))
    tunnel.socket.write(encodeFrame(FRAME.data, 0, 1, Buffer.from('x')))
    tunnel.request(1, [['trailer', 'value']], END_HEADERS | END_STREAM)
    await tunnel.frame(({ type, payload }) => type === FRAME.data && payload.toString() === 'x')
    await tunnel.frame(({ type, flags, stream }) => type === FRAME.data && stream === 1 && (flags & END_STREAM) > 0)
  })

  it('accepts nothing on a stream that is gone', async () => {
    await using fixture = await HboneFixture.create()
    const seen = Promise.withResolvers<HboneServerStream>()
    const { port } = await fixture.serve({ onStream: seen.resolve })
    const tunnel = await RawTunnel.open(fixture, port)
    tunnel.connect(1)
    const stream = await seen.promise
    const closed = new Promise<void>(resolve => stream.onClose(resolve))
    tunnel.socket.write(encodeFrame(FRAME.reset, 0, 1, Buffer.from([0, 0, 0, 8])))
    await closed
    expect(stream.gone).toBe(true)
    expect(() => stream.accept()).toThrow(expect.objectContaining({ code: 'HBONE_HTTP2' }))
    stream.answer(503)
    tunnel.connect(3)
    await tunnel.frame(({ type }) => type === FRAME.settings)
  })

  it.each([
    { name: 'above 65536 bytes', headers: { x: 'y'.repeat(40_000), z: 'y'.repeat(40_000) }, status: 431 },
    { name: 'just below', headers: { x: 'y'.repeat(32_000), z: 'y'.repeat(32_000) }, status: 200 },
    { name: 'of a thousand lines', headers: lines(1000), status: 200 },
    // Node resets this one by itself.
    { name: 'of three thousand lines', headers: lines(3000), status: undefined }
  ])('answers $status to a header list $name', async ({ headers, status }) => {
    await using fixture = await HboneFixture.create()
    const { port } = await fixture.serve()
    const session = http2.connect(`https://127.0.0.1:${port}`, {
      cert: fixture.cart.certificateChain,
      key: fixture.cart.privateKey,
      ca: fixture.cart.roots,
      checkServerIdentity: () => undefined,
      maxSendHeaderBlockLength: 1_000_000
    })
    session.on('error', () => {})
    fixture.onCleanup(() => session.destroy())
    const stream = session.request({ ':method': 'CONNECT', ':authority': 'a:1', ...headers }, { endStream: false })
    stream.on('error', () => {})
    let answered: number | undefined
    stream.on('response', answer => {
      answered = answer[':status']
      stream.end()
    })
    await new Promise(resolve => stream.resume().on('close', resolve))
    expect(answered).toBe(status)
    if (status === undefined) expect(stream.rstCode).toBe(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM)
  })
})
