import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { HboneFixture } from './testing/hbone-fixture.ts'
import { CLIENT_PREFACE, decodeFrames, encodeFrame, encodeHeaders, FRAME, type Frame } from './testing/raw-http2.ts'

beforeEach(() => {
  // Sockets keep their own timers; only ours are paused.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** A peer that answers what it must, but PINGs only as told. */
function scripted(
  socket: tls.TLSSocket,
  options: { readonly skip: number; readonly pong: () => boolean; readonly connect: boolean }
) {
  const pings: Frame[] = []
  let skipped = 0
  let rest: Buffer = Buffer.alloc(0)
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => {
    const skip = Math.min(options.skip - skipped, chunk.length)
    skipped += skip
    const decoded = decodeFrames(Buffer.concat([rest, chunk.subarray(skip)]))
    rest = decoded.rest
    for (const frame of decoded.frames) {
      if (frame.type === FRAME.settings && frame.flags === 0) socket.write(encodeFrame(FRAME.settings, 1))
      if (frame.type === FRAME.headers && options.connect) {
        socket.write(encodeFrame(FRAME.headers, 4, frame.stream, encodeHeaders([[':status', '200']])))
      }
      if (frame.type !== FRAME.ping || frame.flags !== 0) continue
      pings.push(frame)
      socket.emit('ping')
      if (options.pong()) socket.write(encodeFrame(FRAME.ping, 1, 0, frame.payload))
    }
  })
  return pings
}

describe('PING', () => {
  it('[hbone-18] of a client goes out after 10 s, again 10 s after each answer, and ends the tunnel 20 s without one', async () => {
    await using fixture = await HboneFixture.create()
    const { certificateChain, privateKey, roots } = fixture.stock
    const accepted = Promise.withResolvers<tls.TLSSocket>()
    const peer = tls.createServer(
      { cert: certificateChain, key: privateKey, ca: roots, ALPNProtocols: ['h2'] },
      accepted.resolve
    )
    peer.listen(0, '127.0.0.1')
    fixture.onCleanup(() => peer.close())
    await once(peer, 'listening')
    const pool = fixture.pool()
    let answer = true
    const opening = pool.connect(fixture.request((peer.address() as net.AddressInfo).port))
    const socket = await accepted.promise
    socket.write(encodeFrame(FRAME.settings))
    const pings = scripted(socket, { skip: CLIENT_PREFACE.length, pong: () => answer, connect: true })
    const { side } = await opening
    const lost = once(side.duplex, 'close')

    vi.advanceTimersByTime(9_999)
    expect(pings).toHaveLength(0)
    const first = once(socket, 'ping')
    vi.advanceTimersByTime(1)
    await first
    await vi.waitFor(() => expect(vi.getTimerCount()).toBeGreaterThan(0))
    answer = false
    await secondPing(socket, pings)
    vi.advanceTimersByTime(19_999)
    expect(pool.size).toBe(1)
    vi.advanceTimersByTime(1)
    await lost
    await once(socket, 'close')
    expect(pool.size).toBe(0)
  })

  it('[hbone-18] unanswered makes a server say GOAWAY and close 30 s after the start', async () => {
    await using fixture = await HboneFixture.create()
    const { server, port } = await fixture.serve()
    const socket = fixture.connectTls(port)
    await once(socket, 'secureConnect')
    const goaway = new Promise<Frame>(resolve => {
      let bytes: Buffer = Buffer.alloc(0)
      socket.on('data', chunk => {
        bytes = Buffer.concat([bytes, chunk])
        const frame = decodeFrames(bytes).frames.find(({ type }) => type === FRAME.goaway)
        if (frame !== undefined) resolve(frame)
      })
    })
    const pings = scripted(socket, { skip: 0, pong: () => false, connect: false })
    const settings = once(socket, 'data')
    socket.write(Buffer.concat([CLIENT_PREFACE, encodeFrame(FRAME.settings)]))
    await settings
    const ping = once(socket, 'ping')
    vi.advanceTimersByTime(10_000)
    await ping
    expect(pings).toHaveLength(1)
    vi.advanceTimersByTime(19_999)
    expect(server.size).toBe(1)
    const closed = once(socket, 'close')
    vi.advanceTimersByTime(1)
    expect((await goaway).payload.readUInt32BE(4)).toBe(0)
    await closed
    expect(server.size).toBe(0)
  })
})

/** The answer to the first PING may still be on its way: its arrival is what starts the 10 s. */
async function secondPing(socket: tls.TLSSocket, pings: readonly Frame[]): Promise<void> {
  const second = once(socket, 'ping')
  let turns = 0
  while (pings.length < 2) {
    await new Promise(resolve => setImmediate(resolve))
    if (++turns % 20 === 0) vi.advanceTimersByTime(10_000)
    if (turns > 2000) throw new Error('no second PING')
  }
  await second
}
