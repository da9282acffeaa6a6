import fs from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { netnsFromFd, type SeqpacketSocket } from '@culvert/netns'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Bench, createBench, hex, read, readPacket, silent } from '../test/bench.ts'
import { createManualClock, type ManualClock } from '@culvert/clock/testing'
import { createZdsServer, type SnapshotPod, type ZdsServer } from './server.ts'

let bench: Bench
let clock: ManualClock
let server: ZdsServer
let snapshot: SnapshotPod[]
let counts: number[]
let warnings: string[]

beforeEach(() => {
  bench = createBench()
  clock = createManualClock()
  snapshot = []
  counts = []
  warnings = []
  server = createZdsServer({
    path: bench.path,
    snapshot: () => snapshot,
    clock,
    log: { ...silent, error: message => warnings.push(message) },
    onConnectionCount: count => counts.push(count)
  })
})

afterEach(async () => {
  await server.close()
  bench[Symbol.dispose]()
})

const info = { name: 'cart-5d9f', namespace: 'shop', serviceAccount: 'cart-sa' }
const pod = (uid: string, file?: string): SnapshotPod => ({
  uid,
  info,
  netns: file === undefined ? undefined : netnsFromFd(bench.file(file))
})
const kind = (bytes: string): string =>
  ({ '0a': 'add', '12': 'delete', '1a': 'snapshot', '2a': 'keep' })[bytes.slice(0, 2)] ?? bytes

const ack = (socket: SeqpacketSocket): Promise<void> => socket.send(hex('0a 00'))

/** Resolves once the condition holds; the test's own time limit is the deadline. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn()
}

/** A ztunnel that has taken its snapshot. Moves the clock past the accept limit, so that several can connect. */
async function join(): Promise<SeqpacketSocket> {
  server.accept()
  clock.advance(200)
  const socket = await bench.dial()
  await socket.send(hex('08 01'))
  for (;;) {
    const bytes = await read(socket)
    await ack(socket)
    if (kind(bytes) === 'snapshot') break
  }
  await turn()
  return socket
}

it('[zds-22] sends one packet at a time, none before the hello, each after the answer to the last', async () => {
  snapshot = [pod('u-17'), pod('u-40')]
  server.accept()
  const socket = await bench.dial()
  const early = new AbortController()
  const nothing = readPacketUnless(socket, early.signal)
  await until(() => counts.length === 1)
  early.abort()
  expect(await nothing).toBe('nothing')
  await socket.send(hex('08 01'))
  for (const expected of ['keep', 'keep', 'snapshot']) {
    expect(kind(await read(socket))).toBe(expected)
    const abort = new AbortController()
    const next = readPacketUnless(socket, abort.signal)
    await turn()
    await turn()
    abort.abort()
    expect(await next).toBe('nothing')
    await ack(socket)
  }
})

async function readPacketUnless(socket: SeqpacketSocket, signal: AbortSignal): Promise<string> {
  try {
    return (await socket.receive({ maxBytes: 2048, maxFds: 1, signal }))?.bytes.toString('hex') ?? 'end'
  } catch {
    return 'nothing'
  }
}

it('[zds-23] the snapshot is an add with one descriptor, a keep without, and the end', async () => {
  snapshot = [pod('u-17', 'netns'), pod('u-40')]
  server.accept()
  const socket = await bench.dial()
  await socket.send(hex('08 01'))
  const first = await readPacket(socket)
  expect(first!.bytes).toEqual(hex('0a220a04752d3137121a0a09636172742d35643966120473686f701a07636172742d7361'))
  expect(first!.fds).toHaveLength(1)
  expect(fs.fstatSync(first!.fds[0]!, { bigint: true }).ino).toBe(snapshot[0]!.netns!.inode)
  fs.closeSync(first!.fds[0]!)
  await ack(socket)
  const second = await readPacket(socket)
  expect([second!.bytes.toString('hex'), second!.fds]).toEqual(['2a060a04752d3430', []])
  await ack(socket)
  expect(await read(socket)).toBe('1a00')
})

it('a nack in the snapshot does not end it', async () => {
  snapshot = [pod('a'), pod('b')]
  server.accept()
  const socket = await bench.dial()
  await socket.send(hex('08 01'))
  await read(socket)
  await socket.send(hex('0a 05 0a 03 6f 68 21'))
  expect(kind(await read(socket))).toBe('keep')
  expect(warnings).toEqual(['ztunnel refused a pod of the snapshot'])
})

it('[zds-24, 25] adds go to the latest, deletes to all; the one before takes over', async () => {
  const old = await join()
  const latest = await join()
  expect(counts).toEqual([1, 2])
  const netns = netnsFromFd(bench.file('netns'))
  const added = server.add('a', info, netns)
  expect(kind(await read(latest))).toBe('add')
  await ack(latest)
  await added
  const deleted = server.delete('a')
  // The first packet of the older one ever is the delete: the add passed it by.
  expect(kind(await read(old))).toBe('delete')
  await ack(old)
  expect(kind(await read(latest))).toBe('delete')
  await latest.send(hex('0a 05 0a 03 6f 68 21'))
  await expect(deleted, 'a nack counts as done').resolves.toBeUndefined()
  latest.close()
  await until(() => counts.at(-1) === 1)
  const again = server.add('b', info, netns)
  expect(kind(await read(old))).toBe('add')
  await ack(old)
  await again
})

it('without a ztunnel an add fails and a delete succeeds', async () => {
  server.accept()
  const netns = netnsFromFd(bench.file('netns'))
  await expect(server.add('a', info, netns)).rejects.toMatchObject({
    code: 'ZDS_NO_CONNECTION',
    message: 'no ztunnel connection'
  })
  await expect(server.delete('a')).resolves.toBeUndefined()
})

it('reports a nack to the caller of an add and keeps the connection', async () => {
  const socket = await join()
  const netns = netnsFromFd(bench.file('netns'))
  const refused = server.add('a', info, netns)
  await readPacket(socket)
  await socket.send(hex('0a 05 0a 03 6f 68 21'))
  await expect(refused).rejects.toMatchObject({ code: 'ZDS_NACK', message: 'got ack error: oh!' })
  const accepted = server.add('a', info, netns)
  expect(kind(await read(socket))).toBe('add')
  await ack(socket)
  await accepted
  expect(counts).toEqual([1])
})

it('[zds-28] notices when an idle client goes away', async () => {
  const socket = await join()
  socket.close()
  await until(() => counts.at(-1) === 0)
  expect(counts).toEqual([1, 0])
})

it('[zds-29] closes on an ack that answers nothing', async () => {
  const socket = await join()
  await ack(socket)
  expect(await read(socket)).toBe('end')
  expect(counts).toEqual([1, 0])
})

it('[zds-30] fails who waits on a client that never answered and went away; others can connect', async () => {
  const socket = await join()
  const deleted = server.delete('a')
  expect(kind(await read(socket))).toBe('delete')
  const queued = server.delete('b')
  socket.close()
  await expect(deleted).rejects.toMatchObject({ code: 'ZDS_CLOSED' })
  await expect(queued).rejects.toMatchObject({ name: 'ZdsError' })
  const next = await join()
  const again = server.delete('a')
  expect(kind(await read(next))).toBe('delete')
  await ack(next)
  await again
})

it('gives an answer 5 s, keeps the connection, and does not take the late ack for the next one', async () => {
  const socket = await join()
  const slow = server.delete('slow')
  await read(socket)
  const next = server.delete('next')
  clock.advance(5000)
  await expect(slow).rejects.toMatchObject({ code: 'ZDS_TIMEOUT' })
  expect(await read(socket)).toContain(Buffer.from('next').toString('hex'))
  let settled = false
  void next.then(() => (settled = true))
  await ack(socket)
  await turn()
  await turn()
  expect(settled).toBe(false)
  await ack(socket)
  await next
})

it('gives the hello 5 s', async () => {
  server.accept()
  const socket = await bench.dial()
  await until(() => counts.length === 1)
  clock.advance(5000)
  expect(await read(socket)).toBe('end')
  expect(counts).toEqual([1, 0])
})

it('sends what only its caller gave up, with a descriptor of its own', async () => {
  const socket = await join()
  const blocking = server.delete('first')
  const netns = netnsFromFd(bench.file('netns'))
  const abort = new AbortController()
  const abandoned = server.add('a', info, netns, { signal: abort.signal })
  const abandonedFails = expect(abandoned).rejects.toMatchObject({ code: 'ZDS_ABORTED' })
  abort.abort()
  await abandonedFails
  expect(bench.held('netns')).toBe(2)
  await read(socket)
  await ack(socket)
  await blocking
  const packet = await readPacket(socket)
  expect(kind(packet!.bytes.toString('hex'))).toBe('add')
  expect(packet!.fds).toHaveLength(1)
  fs.closeSync(packet!.fds[0]!)
  await ack(socket)
  await until(() => bench.held('netns') === 1)
})

it('sends changes that race with the snapshot after it', async () => {
  snapshot = [pod('a')]
  server.accept()
  const socket = await bench.dial()
  await until(() => counts.length === 1)
  const deleted = server.delete('a')
  await socket.send(hex('08 01'))
  for (const expected of ['keep', 'snapshot', 'delete']) {
    expect(kind(await read(socket))).toBe(expected)
    await ack(socket)
  }
  await deleted
})

it('binds before it accepts, and accepts at most 5 per second', async () => {
  server.listen()
  const first = await bench.dial()
  const second = await bench.dial()
  await first.send(hex('08 01'))
  await second.send(hex('08 01'))
  await turn()
  expect(counts).toEqual([])
  server.accept()
  expect(await read(first)).toBe('1a00')
  await turn()
  expect(counts).toEqual([1])
  clock.advance(199)
  await turn()
  expect(counts).toEqual([1])
  clock.advance(1)
  expect(await read(second)).toBe('1a00')
  expect(counts).toEqual([1, 2])
})

it('drops a request beyond the queue when its caller gives up', async () => {
  const socket = await join()
  const waiting = Array.from({ length: 101 }, (_, i) => server.delete(`q${i}`))
  const abort = new AbortController()
  const beyond = server.delete('beyond', { signal: abort.signal })
  const beyondFails = expect(beyond).rejects.toMatchObject({ code: 'ZDS_ABORTED' })
  await until(() => true)
  abort.abort()
  await beyondFails
  for (let i = 0; i <= 100; i++) {
    expect(await read(socket)).toContain(Buffer.from(`q${i}`).toString('hex'))
    await ack(socket)
  }
  await Promise.all(waiting)
  const last = server.delete('last')
  expect(await read(socket)).toContain(Buffer.from('last').toString('hex'))
  await ack(socket)
  await last
})

it('closing ends connections, fails callers and removes the file', async () => {
  const socket = await join()
  const deleted = server.delete('a')
  const fails = expect(deleted).rejects.toMatchObject({ name: 'ZdsError' })
  await read(socket)
  await server.close()
  await fails
  expect(await read(socket)).toBe('end')
  expect(fs.existsSync(bench.path)).toBe(false)
  expect(() => server.listen()).toThrow(/closed before/)
})
