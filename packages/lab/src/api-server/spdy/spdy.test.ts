import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { controlFrame, dataFrame, flagFin, type Frame, frameType, numbers, readFrames, SpdyError } from './frames.ts'
import { createHeaderCodec, type HeaderCodec } from './header-codec.ts'
import { headerDictionary } from './header-dictionary.ts'
import { runSpdySession, type SpdyStream } from './session.ts'

let closers: (() => void)[] = []
let codec: HeaderCodec

beforeEach(() => {
  codec = createHeaderCodec()
})

afterEach(() => {
  codec.close()
  for (const close of closers) close()
  closers = []
})

/** A session, and the client's end of its connection. */
async function session(onStream: (stream: SpdyStream) => void): Promise<{ client: Socket; ended: Promise<unknown> }> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as { port: number }).port, '127.0.0.1')
  const [transport] = (await once(server, 'connection')) as [Socket]
  transport.on('error', () => {})
  closers.push(
    () => client.destroy(),
    () => server.close()
  )
  return { client, ended: runSpdySession({ transport, onStream }).catch(error => error) }
}

const synStream = async (id: number, headers: Record<string, string>, flags = 0): Promise<Buffer> =>
  controlFrame(
    frameType.synStream,
    flags,
    Buffer.concat([numbers(id, 0), Buffer.alloc(2), await codec.encode(headers)])
  )

async function take(frames: AsyncGenerator<Frame>): Promise<Frame> {
  const { value } = await frames.next()
  return value as Frame
}

it('has the dictionary of the protocol', () => {
  expect(headerDictionary).toHaveLength(1423)
})

it('compresses headers of several streams as one', async () => {
  const other = createHeaderCodec()
  for (const headers of [{ streamtype: 'error', port: '80' }, { streamtype: 'data', port: '80' }, {}]) {
    expect(await other.decode(await codec.encode(headers))).toEqual(headers)
  }
  other.close()
})

it('carries a stream both ways, with half-close', async () => {
  const { client } = await session(stream => {
    expect(stream.headers).toEqual({ streamtype: 'data', port: '8080' })
    stream.on('end', () => stream.end('bye'))
    stream.pipe(stream, { end: false })
  })
  const frames = readFrames(client as AsyncIterable<Buffer>)
  client.write(await synStream(1, { streamtype: 'data', port: '8080' }))
  expect(await take(frames)).toMatchObject({ kind: 'control', type: frameType.synReply })
  client.write(dataFrame(1, 0, Buffer.from('hello')))
  expect(await take(frames)).toMatchObject({ kind: 'data', stream: 1, payload: Buffer.from('hello') })
  client.write(dataFrame(1, flagFin, Buffer.alloc(0)))
  expect(await take(frames)).toMatchObject({ payload: Buffer.from('bye') })
  expect(await take(frames)).toMatchObject({ kind: 'data', flags: flagFin })
})

it('answers pings and refuses a stream that is open already', async () => {
  const { client } = await session(() => {})
  const frames = readFrames(client as AsyncIterable<Buffer>)
  client.write(controlFrame(frameType.ping, 0, numbers(7)))
  expect(await take(frames)).toMatchObject({ type: frameType.ping, payload: numbers(7) })
  client.write(await synStream(1, {}))
  client.write(await synStream(1, {}))
  expect(await take(frames)).toMatchObject({ type: frameType.synReply })
  expect(await take(frames)).toMatchObject({ type: frameType.rstStream, payload: numbers(1, 3) })
})

it('cuts the stream a client resets', async () => {
  const closed = Promise.withResolvers<void>()
  const { client } = await session(stream => void stream.once('close', closed.resolve))
  client.write(await synStream(1, {}))
  client.write(controlFrame(frameType.rstStream, 0, numbers(1, 5)))
  await closed.promise
})

it.each([
  { name: 'another version', bytes: Buffer.from([0x80, 2, 0, 1, 0, 0, 0, 0]) },
  { name: 'a frame too long', bytes: Buffer.from([0x80, 3, 0, 1, 0, 0xff, 0xff, 0xff]) },
  { name: 'a stream too short', bytes: controlFrame(frameType.synStream, 0, Buffer.alloc(4)) },
  { name: 'a reset of nothing', bytes: controlFrame(frameType.rstStream, 0, Buffer.alloc(0)) },
  { name: 'headers that are none', bytes: controlFrame(frameType.synStream, 0, Buffer.alloc(40, 0xff)) }
])('ends the session at $name', async ({ bytes }) => {
  const { client, ended } = await session(() => {})
  client.on('error', () => {})
  client.write(bytes)
  const error = await ended
  expect(error).toBeInstanceOf(Error)
  if (!(error as Error & { code?: string }).code?.startsWith('Z_')) expect(error).toBeInstanceOf(SpdyError)
})
