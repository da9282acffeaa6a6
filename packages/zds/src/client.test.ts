import { setImmediate as turn } from 'node:timers/promises'
import type { SeqpacketSocket } from '@culvert/netns'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Bench, createBench, hex, read, silent } from '../test/bench.ts'
import { createManualClock, type ManualClock } from '@culvert/clock/testing'
import { createZdsClient, type ZdsClient } from './client.ts'
import type { ZdsError } from './errors.ts'
import { encodeRequest } from './messages.ts'
import { createPodSet, type Pod, type PodSet } from './pod-set.ts'

let bench: Bench
let clock: ManualClock
let client: ZdsClient
let pods: PodSet
let agent: ReturnType<Bench['serve']>
/** Uids whose proxy cannot start now. */
let blocked: Set<string>
/** Everything that happened to proxies, in order. */
let events: string[]
let counts: { active: number; pending: number }
let ready: boolean
let fatal: ZdsError | undefined

beforeEach(() => {
  bench = createBench()
  clock = createManualClock()
  blocked = new Set()
  events = []
  counts = { active: 0, pending: 0 }
  ready = false
  fatal = undefined
  pods = createPodSet({
    clock,
    log: silent,
    onReady: value => (ready = value),
    onCounts: value => (counts = value),
    start: async (pod: Pod) => {
      if (blocked.has(pod.uid)) throw new Error('EADDRINUSE: [::]:15008')
      events.push(`start ${pod.uid}`)
      return {
        close: async () => void events.push(`close ${pod.uid}`),
        drain: async () => void events.push(`drain ${pod.uid}`)
      }
    }
  })
  client = createZdsClient({ path: bench.path, handler: pods, clock, log: silent, onFatal: error => (fatal = error) })
  agent = bench.serve()
})

afterEach(async () => {
  await client.stop()
  await pods.drain({ deadline: AbortSignal.abort() })
  bench[Symbol.dispose]()
})

/** Accepts the client and takes its hello. */
async function greet(): Promise<SeqpacketSocket> {
  const socket = await agent.next()
  expect(await read(socket)).toBe('0801')
  return socket
}

async function ask(socket: SeqpacketSocket, bytes: string | Uint8Array, fds: number[] = []): Promise<string> {
  await socket.send(typeof bytes === 'string' ? hex(bytes) : bytes, fds)
  return await read(socket)
}

const info = { name: 'cart-0', namespace: 'shop', serviceAccount: 'cart' }
const add = (socket: SeqpacketSocket, uid: string, fd: number): Promise<string> =>
  ask(socket, encodeRequest({ kind: 'add', uid, info }), [fd])
const keep = (socket: SeqpacketSocket, uid: string): Promise<string> =>
  ask(socket, encodeRequest({ kind: 'keep', uid }))
const remove = (socket: SeqpacketSocket, uid: string): Promise<string> =>
  ask(socket, encodeRequest({ kind: 'delete', uid }))
const snapshotSent = (socket: SeqpacketSocket): Promise<string> => ask(socket, '1a 00')
const nack = (answer: string): string =>
  hex(answer)
    .subarray(hex(answer)[1]! < 0x80 ? 4 : 6)
    .toString()
const ack = '0a00'

it('[zds-1] says hello and nothing else', async () => {
  client.start()
  const socket = await greet()
  // The answer to the first request is the next packet: nothing came unasked in between.
  expect(await keep(socket, 'x')).toBe(ack)
})

it.each([
  { why: 'an add without descriptor [zds-5]', bytes: '0a 03 0a 01 78', fds: 0, text: 'No control message' },
  { why: 'an add with two descriptors', bytes: '0a 03 0a 01 78', fds: 2, text: 'Expected 1 FD, got 2' },
  { why: 'an add with three descriptors', bytes: '0a 03 0a 01 78', fds: 3, text: 'ENOBUFS' },
  { why: 'a delete with a descriptor [zds-6]', bytes: '12 03 12 01 78', fds: 1, text: 'Unexpected control message' },
  { why: 'a keep with a descriptor', bytes: '2a 03 0a 01 78', fds: 1, text: 'Unexpected control message' },
  { why: 'no known payload', bytes: '32 00', fds: 1, text: 'no payload' },
  { why: 'garbage', bytes: 'ff', fds: 1, text: 'not a WorkloadRequest' },
  { why: 'more than 1024 bytes', bytes: `0a ${'00'.repeat(1024)}`, fds: 1, text: 'longer than 1024 bytes' }
])('refuses $why, closes, keeps the proxies, connects anew', async ({ bytes, fds, text }) => {
  client.start()
  const socket = await greet()
  expect(await add(socket, 'kept', bench.file('kept'))).toBe(ack)
  const file = bench.file('stray')
  const answer = nack(await ask(socket, bytes, Array(fds).fill(file)))
  expect(answer).toMatch(/^failure to read message : /)
  expect(answer).toContain(text)
  expect(await read(socket)).toBe('end')
  const again = await greet()
  expect(bench.held('stray'), 'descriptors left open').toBe(1)
  expect(events).toEqual(['start kept'])
  expect(await keep(again, 'kept')).toBe(ack)
  expect(fatal).toBeUndefined()
})

it.each([
  {
    why: '[zds-7] an add without workload_info',
    before: 'add',
    text: 'workload_info is required but not present'
  },
  { why: '[zds-8] a keep after the snapshot', before: 'keep', text: 'pod keep received after snapshot' },
  { why: 'a second snapshot', before: 'snapshot', text: 'pod snapshot received already' }
])('ends over $why', async ({ before, text }) => {
  client.start()
  const socket = await greet()
  expect(await snapshotSent(socket)).toBe(ack)
  const answer =
    before === 'add'
      ? await ask(socket, '0a 03 0a 01 78', [bench.file('unnamed')])
      : await ask(socket, before === 'keep' ? '2a 03 0a 01 78' : '1a 00')
  expect(nack(answer)).toBe(`failure to process message : ProtocolError("${text}")`)
  expect(await read(socket)).toBe('end')
  await client.stop()
  expect(fatal).toMatchObject({ code: 'ZDS_PROTOCOL', message: text })
  expect(bench.held('unnamed')).toBeLessThanOrEqual(1)
})

it('[zds-9, 16] a repeated add changes nothing, a delete of an unknown pod is acked', async () => {
  client.start()
  const socket = await greet()
  const netns = bench.file('a')
  expect(await add(socket, 'a', netns)).toBe(ack)
  expect(await add(socket, 'a', netns)).toBe(ack)
  expect(await snapshotSent(socket)).toBe(ack)
  expect(await add(socket, 'a', netns)).toBe(ack)
  expect(await remove(socket, 'unknown')).toBe(ack)
  expect(events).toEqual(['start a'])
  expect(bench.held('a')).toBe(2)
})

it('[zds-10] another namespace replaces the proxy', async () => {
  client.start()
  const socket = await greet()
  await add(socket, 'a', bench.file('old'))
  await snapshotSent(socket)
  expect(await add(socket, 'a', bench.file('new'))).toBe(ack)
  expect(events).toEqual(['start a', 'close a', 'start a'])
  expect(counts).toEqual({ active: 1, pending: 0 })
  await turn()
  expect([bench.held('old'), bench.held('new')]).toEqual([1, 2])
})

it('[zds-11] a pod that cannot start is retried every 5 s until it does', async () => {
  client.start()
  const socket = await greet()
  blocked.add('a')
  expect(nack(await add(socket, 'a', bench.file('a')))).toBe('failure to start proxy : EADDRINUSE: [::]:15008')
  expect(await snapshotSent(socket)).toBe(ack)
  expect(ready).toBe(false)
  expect(counts).toEqual({ active: 0, pending: 1 })
  clock.advance(4999)
  blocked.add('b')
  await add(socket, 'b', bench.file('b'))
  // The second failure has not moved the timer.
  blocked.delete('a')
  clock.advance(1)
  await turn()
  expect(events).toEqual(['start a'])
  expect([ready, counts]).toEqual([false, { active: 1, pending: 1 }])
  blocked.delete('b')
  clock.advance(5000)
  await turn()
  expect(events).toEqual(['start a', 'start b'])
  expect([ready, counts]).toEqual([true, { active: 2, pending: 0 }])
  expect(clock.waits).toEqual([])
})

it('[zds-12] an add in another namespace takes a pending pod over', async () => {
  client.start()
  const socket = await greet()
  blocked.add('a')
  await add(socket, 'a', bench.file('first'))
  blocked.delete('a')
  expect(await add(socket, 'a', bench.file('second'))).toBe(ack)
  await snapshotSent(socket)
  clock.advance(10_000)
  await turn()
  expect(events).toEqual(['start a'])
  expect([bench.held('first'), bench.held('second')]).toEqual([1, 2])
  expect(ready).toBe(true)
})

it('[zds-13] an add and its delete before the snapshot leave nothing running after it', async () => {
  client.start()
  const socket = await greet()
  expect(await add(socket, 'x', bench.file('x'))).toBe(ack)
  expect(await remove(socket, 'x')).toBe(ack)
  expect(events).toEqual(['start x'])
  expect(await snapshotSent(socket)).toBe(ack)
  expect(events).toEqual(['start x', 'close x'])
})

it('[zds-14, 15] proxies outlive the connection; the next snapshot decides which stay', async () => {
  client.start()
  const first = await greet()
  const x = bench.file('x')
  await add(first, 'x', x)
  await add(first, 'y', bench.file('y'))
  await add(first, 'z', bench.file('z'))
  blocked.add('p')
  await add(first, 'p', bench.file('p'))
  await remove(first, 'p')
  await snapshotSent(first)
  expect(ready).toBe(true)
  first.close()
  const second = await greet()
  expect(ready).toBe(false)
  expect(events).toEqual(['start x', 'start y', 'start z'])
  expect(await keep(second, 'x')).toBe(ack)
  expect(await keep(second, 'never seen')).toBe(ack)
  expect(await snapshotSent(second)).toBe(ack)
  expect(events).toEqual(['start x', 'start y', 'start z', 'close y', 'close z'])
  expect(ready).toBe(true)
  expect(pods.running.map(pod => pod.uid)).toEqual(['x'])
})

it('forgets what is pending when it reconnects, and does not retry meanwhile', async () => {
  client.start()
  const first = await greet()
  blocked.add('a')
  await add(first, 'a', bench.file('a'))
  await snapshotSent(first)
  first.close()
  const second = await greet()
  blocked.delete('a')
  clock.advance(20_000)
  await keep(second, 'other')
  expect(events).toEqual([])
  expect(pods.pending).toEqual([])
  expect(bench.held('a')).toBe(1)
})

it('a failed add while ready changes readiness with the next successful message only', async () => {
  client.start()
  const socket = await greet()
  await snapshotSent(socket)
  blocked.add('a')
  await add(socket, 'a', bench.file('a'))
  expect(ready).toBe(true)
  await remove(socket, 'other')
  expect(ready).toBe(false)
  await remove(socket, 'a')
  expect(ready).toBe(true)
  expect(bench.held('a')).toBe(1)
})

it('connects with waits from 20 ms, again after a connection ended', async () => {
  agent.stop()
  client.start()
  for (const wait of [20, 40, 80]) {
    while (clock.waits.length === 0) await turn()
    expect(clock.waits).toEqual([wait])
    clock.advance(wait)
  }
  while (clock.waits.length === 0) await turn()
  agent = bench.serve()
  clock.advance(160)
  const socket = await greet()
  agent.stop()
  socket.close()
  while (clock.waits.length === 0) await turn()
  expect(clock.waits).toEqual([20])
})

it('closes the connection first when it stops, and drains what runs', async () => {
  client.start()
  const socket = await greet()
  await add(socket, 'a', bench.file('a'))
  await client.stop()
  expect(await read(socket)).toBe('end')
  expect(events).toEqual(['start a'])
  await pods.drain({ deadline: AbortSignal.abort() })
  expect(events).toEqual(['start a', 'drain a'])
  expect(bench.held('a')).toBe(1)
})

it('starts and stops with a signal, also while it waits to connect', async () => {
  agent.stop()
  const abort = new AbortController()
  client.start({ signal: abort.signal })
  while (clock.waits.length === 0) await turn()
  abort.abort()
  await client.stop()
  expect(clock.waits).toEqual([])
})
