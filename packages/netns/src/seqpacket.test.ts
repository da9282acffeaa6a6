import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { NetnsError } from './errors.ts'
import { listenSeqpacket, type SeqpacketListener, type SeqpacketListenOptions } from './seqpacket-listener.ts'
import { connectSeqpacket, seqpacketFromFd, type SeqpacketSocket } from './seqpacket-socket.ts'

let dir: string
let cleanUp: (() => void)[]

beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'culvert-seqpacket-'))
  cleanUp = [() => fs.rmSync(dir, { recursive: true })]
})

afterEach(() => {
  for (const step of cleanUp.reverse()) step()
})

function listen(options: SeqpacketListenOptions): SeqpacketListener {
  const listener = listenSeqpacket(path.join(dir, 'test.sock'), options)
  cleanUp.push(() => listener.close())
  return listener
}

async function connect(): Promise<SeqpacketSocket> {
  const socket = await connectSeqpacket(path.join(dir, 'test.sock'))
  cleanUp.push(() => socket.close())
  return socket
}

async function pair(): Promise<[SeqpacketSocket, SeqpacketSocket]> {
  const { promise, resolve } = Promise.withResolvers<SeqpacketSocket>()
  listen({ onConnection: resolve })
  const client = await connect()
  const server = await promise
  cleanUp.push(() => server.close())
  return [client, server]
}

/** Files this process holds open below the test's directory. */
function openFiles(name: string): number {
  return fs.readdirSync('/proc/self/fd').filter(fd => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`) === path.join(dir, name)
    } catch {
      return false
    }
  }).length
}

function openFile(name: string): number {
  const fd = fs.openSync(path.join(dir, name), 'w+')
  cleanUp.push(() => fs.closeSync(fd))
  return fd
}

it('keeps packet boundaries and order, both ways', async () => {
  const [client, server] = await pair()
  await Promise.all([
    client.send(Buffer.from('one')),
    client.send(Buffer.from('two')),
    server.send(Buffer.from('three'))
  ])
  expect((await server.receive({ maxBytes: 1024, maxFds: 1 }))?.bytes.toString()).toBe('one')
  expect((await server.receive({ maxBytes: 1024, maxFds: 1 }))?.bytes.toString()).toBe('two')
  expect((await client.receive({ maxBytes: 1024, maxFds: 1 }))?.bytes.toString()).toBe('three')
})

it('closes a descriptor that cannot be polled', () => {
  const fd = fs.openSync(path.join(dir, 'plain'), 'w+')
  expect(() => seqpacketFromFd(fd)).toThrow(/cannot watch a socket: EPERM/)
  expect(openFiles('plain')).toBe(0)
})

it('passes a descriptor that works, close-on-exec', async () => {
  const [client, server] = await pair()
  const sent = openFile('passed')
  fs.writeSync(sent, 'content')
  await client.send(Buffer.from('x'), [sent])
  const packet = await server.receive({ maxBytes: 1024, maxFds: 1 })
  const [fd] = packet!.fds
  expect(packet!.fds).toHaveLength(1)
  const buffer = Buffer.alloc(7)
  fs.readSync(fd!, buffer, 0, 7, 0)
  expect(buffer.toString()).toBe('content')
  const flags = /flags:\s+(\d+)/.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))![1]!
  expect(Number.parseInt(flags, 8) & 0o2000000, 'O_CLOEXEC').not.toBe(0)
  fs.closeSync(fd!)
})

it('delivers two descriptors in the room for one, and says that more were cut off', async () => {
  const [client, server] = await pair()
  const file = openFile('several')
  await client.send(Buffer.from('two'), [file, file])
  const two = await server.receive({ maxBytes: 1024, maxFds: 1 })
  // Alignment leaves room for a second one on 64-bit kernels (docs/spec/zds.md 1.4).
  expect(two).toMatchObject({ controlTruncated: false, hadControl: true })
  expect(two!.fds).toHaveLength(2)
  await client.send(Buffer.from('three'), [file, file, file])
  const three = await server.receive({ maxBytes: 1024, maxFds: 1 })
  expect(three).toMatchObject({ controlTruncated: true })
  for (const fd of [...two!.fds, ...three!.fds]) fs.closeSync(fd)
  expect(openFiles('several')).toBe(1)
})

it('reports a packet longer than the room', async () => {
  const [client, server] = await pair()
  await client.send(Buffer.alloc(1025))
  expect(await server.receive({ maxBytes: 1024, maxFds: 1 })).toMatchObject({ truncated: true })
  await client.send(Buffer.alloc(1024))
  expect(await server.receive({ maxBytes: 1024, maxFds: 1 })).toMatchObject({ truncated: false })
})

it('refuses to send an empty packet', async () => {
  const [client] = await pair()
  await expect(client.send(Buffer.alloc(0))).rejects.toMatchObject({ code: 'NETNS_EMPTY_PACKET' })
})

it('ends the stream when the peer closes, after what it had sent', async () => {
  const [client, server] = await pair()
  await client.send(Buffer.from('last'))
  client.close()
  expect((await server.receive({ maxBytes: 10, maxFds: 0 }))?.bytes.toString()).toBe('last')
  expect(await server.receive({ maxBytes: 10, maxFds: 0 })).toBeUndefined()
  await expect(server.send(Buffer.from('x'))).rejects.toMatchObject({ code: 'EPIPE' })
})

it('ends the stream when the peer closes with packets of ours unread', async () => {
  const [client, server] = await pair()
  await client.send(Buffer.from('never read'))
  server.close()
  expect(await client.receive({ maxBytes: 10, maxFds: 0 })).toBeUndefined()
})

it('lets a full peer hold the sender back, in order', async () => {
  const [client, server] = await pair()
  const count = 600
  let sent = 0
  const sends = Array.from({ length: count }, (_, i) => {
    const packet = Buffer.alloc(1024)
    packet.writeUInt32BE(i)
    return client.send(packet).then(() => sent++)
  })
  expect((await server.receive({ maxBytes: 2048, maxFds: 0 }))!.bytes.readUInt32BE()).toBe(0)
  expect(sent).toBeLessThan(count)
  for (let i = 1; i < count; i++) {
    expect((await server.receive({ maxBytes: 2048, maxFds: 0 }))!.bytes.readUInt32BE()).toBe(i)
  }
  await Promise.all(sends)
})

it('never sends a packet that was given up while the peer was full', async () => {
  const [client, server] = await pair()
  const abort = new AbortController()
  let fits = 0
  const flood = (async () => {
    for (;;) {
      await client.send(Buffer.alloc(1024), [], { signal: abort.signal })
      fits++
    }
  })()
  flood.catch(() => {})
  // The kernel's queue is full when sending makes no more progress between two turns of the event loop.
  for (let before = -1; before !== fits; ) {
    before = fits
    await new Promise(resolve => setImmediate(resolve))
  }
  abort.abort()
  await expect(flood).rejects.toMatchObject({ code: 'NETNS_ABORTED' })
  for (let i = 0; i < fits; i++) await server.receive({ maxBytes: 2048, maxFds: 0 })
  await client.send(Buffer.from('after'))
  expect((await server.receive({ maxBytes: 2048, maxFds: 0 }))!.bytes.toString()).toBe('after')
})

it('gives up a receive on abort, and receives later packets all the same', async () => {
  const [client, server] = await pair()
  const abort = new AbortController()
  const waiting = server.receive({ maxBytes: 10, maxFds: 0, signal: abort.signal })
  await expect(server.receive({ maxBytes: 10, maxFds: 0 })).rejects.toMatchObject({ code: 'NETNS_BUSY' })
  abort.abort(new Error('enough'))
  await expect(waiting).rejects.toMatchObject({ code: 'NETNS_ABORTED', cause: { message: 'enough' } })
  await client.send(Buffer.from('later'))
  expect((await server.receive({ maxBytes: 10, maxFds: 0 }))?.bytes.toString()).toBe('later')
})

it('fails what waits when the socket is closed', async () => {
  const [client] = await pair()
  const waiting = client.receive({ maxBytes: 10, maxFds: 0 })
  client.close()
  client.close()
  await expect(waiting).rejects.toMatchObject({ code: 'NETNS_CLOSED' })
  await expect(client.send(Buffer.from('x'))).rejects.toMatchObject({ code: 'NETNS_CLOSED' })
  expect(client.closed).toBe(true)
})

it('closes descriptors that come with an empty packet or are never received', async () => {
  const [client, server] = await pair()
  const file = openFile('lost')
  await client.send(Buffer.from('unread'), [file])
  expect(openFiles('lost')).toBe(1)
  server.close()
  client.close()
  expect(openFiles('lost')).toBe(1)
})

it('holds connections back while paused', async () => {
  const accepted: SeqpacketSocket[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  const listener = listen({
    paused: true,
    onConnection: socket => {
      accepted.push(socket)
      cleanUp.push(() => socket.close())
      listener.pause()
      resolve()
    }
  })
  const first = await connect()
  await connect()
  await first.send(Buffer.from('early'))
  await new Promise(done => setImmediate(done))
  expect(accepted).toHaveLength(0)
  listener.resume()
  await promise
  await new Promise(done => setImmediate(done))
  expect(accepted).toHaveLength(1)
  expect((await accepted[0]!.receive({ maxBytes: 10, maxFds: 0 }))?.bytes.toString()).toBe('early')
})

it('replaces an old file and removes its own, but not that of a successor', () => {
  const file = path.join(dir, 'test.sock')
  fs.writeFileSync(file, 'left over')
  const first = listen({ onConnection: () => {} })
  const second = listen({ onConnection: () => {} })
  first.close()
  expect(fs.lstatSync(file).isSocket()).toBe(true)
  second.close()
  expect(fs.existsSync(file)).toBe(false)
})

it.each([
  { name: 'missing directory', at: (base: string) => path.join(base, 'none/x.sock'), code: 'ENOENT' },
  { name: 'path too long', at: (base: string) => path.join(base, 'x'.repeat(120)), code: 'ENAMETOOLONG' },
  { name: 'directory in the way', at: (base: string) => base, code: 'ERR_FS_EISDIR' }
])('listening: $name is $code', ({ at, code }) => {
  expect(() => listenSeqpacket(at(dir), { onConnection: () => {} })).toThrow(
    expect.objectContaining<Partial<NetnsError>>({ name: 'NetnsError', code })
  )
})

it('connecting where nobody listens is refused with the path', async () => {
  await expect(connectSeqpacket(path.join(dir, 'nobody'))).rejects.toThrow(/cannot connect to '.*nobody': ENOENT/)
})
