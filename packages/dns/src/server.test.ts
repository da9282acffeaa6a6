import dgram from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'
import { setImmediate } from 'node:timers/promises'
import packet from 'dns-packet'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { DnsServer } from './index.ts'
import { ask, askTcp, query, serve, service, startServer } from './server.test-helper.ts'
import { createFrameReader, frame } from './tcp-frames.ts'

it('answers the requests of one TCP connection one after another', async () => {
  const services = [service('a.ns2.svc.cluster.local'), service('b.ns2.svc.cluster.local')]
  const { port } = await startServer({ services })
  const replies = await askTcp(port, [query('a.ns2', 'A', { id: 1 }), query('b.ns2', 'A', { id: 2 })])
  expect(replies.map(({ id }) => id)).toEqual([1, 2])
})

describe('a server that drains', () => {
  /** Sends questions back when it is told to. */
  async function start(): Promise<{ port: number; drain: DnsServer['drain']; waiting: (() => void)[] }> {
    const waiting: (() => void)[] = []
    const answer = (bytes: Buffer): Promise<Buffer> => new Promise(resolve => waiting.push(() => resolve(bytes)))
    return { ...(await serve({ answer })), waiting }
  }

  it('answers who has asked over UDP and TCP, takes no new connection, and closes', async () => {
    const { port, drain, waiting } = await start()
    const reply = ask(port, query('a.example', 'A', { id: 1 }))
    const replies = askTcp(port, [query('a.example', 'A', { id: 2 }), query('a.example', 'A', { id: 3 })])
    const idle = net.connect(port, '127.0.0.1').on('error', () => undefined)
    await expect.poll(() => waiting.length).toBe(2)
    const idleClosed = once(idle.resume(), 'close')
    const drained = drain({ deadline: new AbortController().signal })
    await idleClosed
    const refused = net.connect(port, '127.0.0.1')
    expect((await once(refused, 'error'))[0]).toMatchObject({ code: 'ECONNREFUSED' })
    for (const answer of waiting.splice(0)) answer()
    expect((await reply).id).toBe(1)
    await expect.poll(() => waiting.length).toBe(1)
    waiting[0]?.()
    expect((await replies).map(({ id }) => id)).toEqual([2, 3])
    await drained
    const late = dgram.createSocket('udp4')
    onTestFinished(() => void late.close())
    late.connect(port, '127.0.0.1')
    await once(late, 'connect')
    late.send(packet.encode(query('a.example')))
    expect((await once(late, 'error'))[0]).toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('closes at its deadline whoever waits', async () => {
    const { port, drain, waiting } = await start()
    const socket = net.connect(port, '127.0.0.1').on('error', () => undefined)
    socket.write(frame(packet.encode(query('a.example'))))
    const closed = once(socket.resume(), 'close')
    await expect.poll(() => waiting.length).toBe(1)
    const deadline = new AbortController()
    const drained = drain({ deadline: deadline.signal })
    deadline.abort()
    await Promise.all([drained, closed])
  })
})

describe('a client that asks without end', () => {
  it('has 1,024 questions answered at a time over UDP, and others when those are', async () => {
    const waiting: (() => void)[] = []
    const { port } = await serve({
      answer: () => new Promise(resolve => waiting.push(() => resolve(packet.encode({ type: 'response', id: 1 }))))
    })
    const socket = dgram.createSocket('udp4')
    onTestFinished(() => void socket.close())
    let replies = 0
    socket.on('message', () => replies++)
    const send = (): Promise<unknown> =>
      new Promise(resolve => socket.send(packet.encode(query('a.example')), port, '127.0.0.1', resolve))
    // In small batches: the kernel drops what its buffer does not hold.
    for (let sent = 0; sent < 1_024; sent += 64) {
      await Promise.all(Array.from({ length: 64 }, send))
      await expect.poll(() => waiting.length).toBe(sent + 64)
    }
    await Promise.all(Array.from({ length: 64 }, send))
    // They are in the server's buffer, which is read within a few turns of this loop.
    for (let turn = 0; turn < 64; turn++) await setImmediate()
    waiting.pop()?.()
    await expect.poll(() => replies).toBe(1)
    // Those beyond were dropped: the next one to be asked is a new one.
    expect(waiting).toHaveLength(1_023)
    await send()
    await expect.poll(() => waiting.length).toBe(1_024)
  })

  it('has 128 connections at a time', async () => {
    const { port } = await serve({ answer: async () => packet.encode({ type: 'response', id: 1 }) })
    const question = frame(packet.encode(query('a.example')))
    const connect = async (): Promise<net.Socket> => {
      const socket = net.connect(port, '127.0.0.1')
      onTestFinished(() => void socket.destroy())
      socket.on('error', () => undefined)
      await once(socket, 'connect')
      socket.write(question)
      return socket
    }
    const sockets = await Promise.all(Array.from({ length: 128 }, connect))
    await Promise.all(sockets.map(socket => once(socket, 'data')))
    await once(await connect(), 'close')
    sockets[0]?.destroy()
    const answered = async (): Promise<boolean> => {
      const socket = await connect()
      return await Promise.race([once(socket, 'data').then(() => true), once(socket, 'close').then(() => false)])
    }
    await expect.poll(answered).toBe(true)
  })
})

it.each([
  { title: 'comes byte by byte', parts: [Buffer.from([0]), Buffer.from([0])] },
  { title: 'never begins', parts: [undefined, undefined] }
])('closes a TCP connection whose request $title', async ({ parts }) => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const { port } = await startServer({})
  const socket = net.connect(port, '127.0.0.1')
  await once(socket, 'connect')
  const closed = once(socket, 'close')
  // One whole request: its connection is known to the server when the reply is here.
  socket.write(frame(packet.encode(query('a.localhost'))))
  await once(socket, 'data')
  for (const bytes of parts) {
    if (bytes !== undefined) socket.write(bytes)
    await vi.advanceTimersByTimeAsync(2_000)
    expect(socket.destroyed).toBe(false)
  }
  await vi.advanceTimersByTimeAsync(1_001)
  socket.resume()
  await closed
})

it('closes a TCP connection that takes no reply', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  let answered = 0
  const answer = async (): Promise<Buffer> => Buffer.alloc(60_000, answered++)
  const { port } = await serve({ answer })
  const socket = net.connect(port, '127.0.0.1')
  socket.pause()
  const closed = once(socket, 'close')
  socket.write(Buffer.concat(Array.from({ length: 500 }, () => frame(packet.encode(query('a.ns2'))))))
  for (let before = -1; before !== answered; await setImmediate()) before = answered
  await vi.advanceTimersByTimeAsync(5_001)
  socket.on('error', () => undefined)
  socket.resume()
  await closed
  expect(answered).toBeLessThan(500)
})

it('does not answer further while a TCP client does not read', async () => {
  const warnings: Error[] = []
  const warned = (warning: Error): unknown => warnings.push(warning)
  process.on('warning', warned)
  onTestFinished(() => void process.off('warning', warned))
  let answered = 0
  const answer = async (): Promise<Buffer> => Buffer.alloc(60_000, answered++)
  const { port } = await serve({ answer })
  const asked = 500
  const socket = net.connect(port, '127.0.0.1')
  socket.write(Buffer.concat(Array.from({ length: asked }, () => frame(packet.encode(query('a.ns2'))))))
  while (answered === 0) await setImmediate()
  expect(answered).toBeLessThan(asked)
  const frames = createFrameReader()
  const replies: Buffer[] = []
  for await (const chunk of socket) {
    replies.push(...frames.push(chunk as Buffer))
    if (replies.length === asked) break
  }
  expect(replies.map(reply => reply[0])).toEqual(Array.from({ length: asked }, (_, i) => i & 255))
  // Of listeners that pile up, for one.
  expect(warnings).toEqual([])
})
