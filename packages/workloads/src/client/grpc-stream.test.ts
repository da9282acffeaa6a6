import { once } from 'node:events'
import { constants, createSecureServer, type ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { systemClock } from '@culvert/clock'
import { createManualClock } from '@culvert/clock/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { selfSigned } from './discovery-server.test-helper.ts'
import { type GrpcStream, openGrpcStream } from './grpc-stream.ts'
import { frameHead } from './message-frames.ts'

const framed = (bytes: Buffer): Buffer => Buffer.concat([frameHead(bytes.length), bytes])
const { certificate: cert, privateKey: key } = await selfSigned('localhost')

async function openTo(server: Server, clock = systemClock): Promise<GrpcStream> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const connection = {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    path: '/x',
    headers: {},
    tls: { ca: cert }
  }
  const stream = openGrpcStream(connection, { clock, signal: new AbortController().signal })
  onTestFinished(() => {
    stream.close()
    server.close()
  })
  return stream
}

const openWith = (answer: (stream: ServerHttp2Stream) => void): Promise<GrpcStream> => {
  const server = createSecureServer({ cert, key })
  server.on('stream', stream => {
    stream.on('error', () => undefined)
    answer(stream)
  })
  return openTo(server)
}

async function all(stream: GrpcStream): Promise<Buffer[]> {
  const read: Buffer[] = []
  for await (const message of stream.messages()) read.push(Buffer.from(message))
  return read
}

describe('a gRPC stream', () => {
  it('carries messages of any size both ways, and its status', async () => {
    const long = Buffer.alloc(3_000_000, 'culvert')
    const stream = await openWith(server => {
      server.respond({ ':status': 200 }, { waitForTrailers: true })
      server.on('wantTrailers', () => server.sendTrailers({ 'grpc-status': '8', 'grpc-message': 'too %C3%A9 100%25' }))
      let echo = Buffer.alloc(0)
      server.on('data', (piece: Buffer) => {
        echo = Buffer.concat([echo, piece])
        if (echo.length < framed(Buffer.from('hello')).length) return
        server.write(echo)
        server.end(framed(long))
      })
    })
    stream.write(Buffer.from('hel'), Buffer.from('lo'))
    expect(await all(stream)).toEqual([Buffer.from('hello'), long])
    const message = 'RESOURCE_EXHAUSTED: too é 100%'
    expect(stream.end()).toEqual({ kind: 'status', code: 8, message })
  })

  it('is not connected where the server answers something else', async () => {
    const stream = await openWith(server => server.respond({ ':status': 503 }))
    expect(await all(stream)).toEqual([])
    expect(stream.end()).toEqual({ kind: 'not-connected', message: 'HTTP status 503' })
  })

  it.each([
    { code: constants.NGHTTP2_REFUSED_STREAM, status: 14 },
    { code: constants.NGHTTP2_CANCEL, status: 1 },
    { code: constants.NGHTTP2_PROTOCOL_ERROR, status: 13 }
  ])('that is reset with code $code ends with status $status', async ({ code, status }) => {
    const stream = await openWith(server => {
      // Otherwise Node ends its half of the stream before it resets it.
      server.respond({ ':status': 200 }, { waitForTrailers: true })
      server.on('wantTrailers', () => undefined)
      server.once('data', () => server.close(code))
      server.write(framed(Buffer.from('x')))
    })
    for await (const _message of stream.messages()) stream.write(Buffer.from('go'))
    expect(stream.end()).toMatchObject({ kind: 'status', code: status })
  })

  it('that ends without a status has an unknown one', async () => {
    const stream = await openWith(server => {
      server.respond({ ':status': 200 })
      server.end()
    })
    expect(await all(stream)).toEqual([])
    expect(stream.end()).toMatchObject({ kind: 'status', code: 2 })
  })

  it('throws for a message that is longer than may be', async () => {
    const stream = await openWith(server => {
      server.respond({ ':status': 200 })
      server.write(Buffer.from('000c800001', 'hex'))
    })
    await expect(all(stream)).rejects.toThrow('a message of 209715201 bytes, where at most 209715200 are taken')
  })

  it('gives up a connection that does not come about', async () => {
    const clock = createManualClock()
    const server = createServer()
    const stream = await openTo(server, clock)
    const [socket] = await once(server, 'connection')
    onTestFinished(() => socket.destroy())
    clock.advance(10_000)
    expect(await all(stream)).toEqual([])
    expect(stream.end()).toEqual({ kind: 'not-connected', message: 'no connection within 10000 ms' })
  })

  it('gives up a connection on which pings have no answer', async () => {
    const clock = createManualClock()
    const server = createTlsServer({ cert, key, ALPNProtocols: ['h2'] })
    const stream = await openTo(server, clock)
    const [socket] = await once(server, 'secureConnection')
    onTestFinished(() => socket.destroy())
    // Empty SETTINGS; what comes in after the preface is not answered.
    socket.write(Buffer.from('000000040000000000', 'hex'))
    await once(socket, 'data')
    clock.advance(30_000)
    clock.advance(10_000)
    expect(await all(stream)).toEqual([])
    expect(stream.end()).toEqual({ kind: 'not-connected', message: 'no answer to a ping within 10000 ms' })
  })
})
