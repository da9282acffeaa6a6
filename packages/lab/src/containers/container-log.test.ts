import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { PassThrough } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { logStream } from '../kubelet/api-kubelet.ts'
import { type ContainerLog, createContainerLog } from './container-log.ts'

let directory: string
let log: ContainerLog
let stdout: PassThrough
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'log-'))
  log = createContainerLog(path.join(directory, 'pod/main/0.log'))
  stdout = new PassThrough()
  log.follow(stdout, 'stdout')
})
afterEach(() => {
  log.end()
  fs.rmSync(directory, { recursive: true })
})

async function write(chunk: string | Buffer): Promise<void> {
  stdout.write(chunk)
  await turn()
}
const texts = (): string[] => log.lines().map(line => line.text)
const options = {
  container: 'main',
  follow: false,
  previous: false,
  timestamps: false,
  tailLines: undefined,
  sinceSeconds: undefined,
  sinceTime: undefined,
  limitBytes: undefined,
  signal: new AbortController().signal
}

it('puts lines together from pieces, the last one without its end too', async () => {
  await write('one\ntw')
  await write('o\n\nthr')
  expect(texts()).toEqual(['one', 'two', ''])
  stdout.destroy()
  await turn()
  expect(texts()).toEqual(['one', 'two', '', 'thr'])
})

it('keeps characters whole that arrive in two pieces', async () => {
  const bytes = Buffer.from('é\n')
  await write(bytes.subarray(0, 1))
  await write(bytes.subarray(1))
  expect(texts()).toEqual(['é'])
})

it('splits lines that do not end', async () => {
  await write(Buffer.alloc(40_000, 'x'))
  expect(texts().map(line => line.length)).toEqual([16_384, 16_384])
})

it('keeps the newest of a log that grows without end, in bounded files', async () => {
  const line = 'y'.repeat(10_000)
  for (let count = 0; count < 1200; count++) stdout.write(`${line}\n`)
  await write('last\n')
  expect(texts().at(-1)).toBe('last')
  const sizes = fs
    .readdirSync(path.join(directory, 'pod/main'))
    .map(name => fs.statSync(path.join(directory, 'pod/main', name)).size)
  expect(sizes).toHaveLength(2)
  for (const size of sizes) expect(size).toBeLessThanOrEqual(5 * 1024 * 1024)
})

it.each([
  { name: 'everything', o: {}, result: 'a\nb\nc\n' },
  { name: 'the tail', o: { tailLines: 2 }, result: 'b\nc\n' },
  { name: 'no tail', o: { tailLines: 0 }, result: '' },
  { name: 'so many bytes', o: { limitBytes: 3 }, result: 'a\nb' },
  { name: 'nothing newer', o: { sinceTime: new Date(Date.now() + 60_000) }, result: '' }
])('streams $name', async ({ o, result }) => {
  await write('a\nb\nc\n')
  expect(await text(logStream(log, { ...options, ...o }))).toBe(result)
})

it('follows until the container ends', async () => {
  await write('before\n')
  const following = text(logStream(log, { ...options, follow: true }))
  await write('after\n')
  log.end()
  expect(await following).toBe('before\nafter\n')
})

it('puts times in front when asked', async () => {
  await write('a\n')
  expect(await text(logStream(log, { ...options, timestamps: true }))).toMatch(/^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{9}Z a\n$/)
})
