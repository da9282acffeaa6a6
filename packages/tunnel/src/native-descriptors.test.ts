import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type net from 'node:net'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { createDataPath } from './index.ts'
import { createTestIdentities, echo, readAll, TestMesh } from './testing/test-mesh.ts'

const PROGRAM = fileURLToPath(new URL('testing/few-descriptors.ts', import.meta.url))

it('waits out a lack of descriptors without spinning, and goes on when there are some', async () => {
  const log = { warn: () => {}, debug: () => {} }
  await using mesh = new TestMesh(await createTestIdentities(), createDataPath({ log }))
  const application = await mesh.application(echo)
  const child = spawn(
    'sh',
    ['-c', `ulimit -n 80; exec "$0" "$@"`, process.execPath, '--conditions=source', PROGRAM, `${application.port}`],
    { stdio: ['pipe', 'pipe', 'inherit'] }
  )
  mesh.onCleanup(() => child.kill('SIGKILL'))
  const lines: string[] = []
  const heard = createInterface(child.stdout).on('line', line => lines.push(line))
  const line = async (start: string, after = 0): Promise<string> => {
    for (;;) {
      const found = lines.slice(after).find(one => one.startsWith(start))
      if (found !== undefined) return found.slice(start.length + 1)
      await once(heard, 'line')
    }
  }
  const used = async (): Promise<number> => {
    const asked = lines.length
    child.stdin.write('\n')
    return Number(await line('used', asked))
  }
  const to = { ip: '127.0.0.1', port: Number(await line('port')) }
  const first = await mesh.connect(to)
  first.write('x')
  await once(first, 'data')
  // The kernel takes them on; most wait for a descriptor, some have one and none for the way on.
  const others: net.Socket[] = []
  for (let count = 0; count < 100; count++) others.push(await mesh.connect(to))
  expect(await line('warn')).toBe('accept failed: Too many open files (os error 24)')
  const before = await used()
  const began = performance.now()
  while (performance.now() - began < 1000) {
    first.write('x')
    await once(first, 'data')
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  // Microseconds, of a second in which a loop that spins uses all of one.
  expect((await used()) - before).toBeLessThan(400_000)
  expect(lines.filter(one => one.startsWith('warn')).length).toBeLessThan(6)
  for (const socket of others) socket.destroy()
  const late = await mesh.connect(to)
  late.end('late')
  expect((await readAll(late)).toString()).toBe('late')
  first.end('y')
  expect((await readAll(first)).toString()).toBe('y')
}, 30_000)

it('says why an engine cannot start without descriptors for its threads, and starts when there are some', () => {
  const program = fileURLToPath(new URL('testing/no-descriptors.ts', import.meta.url))
  const { stdout, status } = spawnSync(
    'sh',
    ['-c', 'ulimit -n 80; exec "$0" "$@"', process.execPath, '--conditions=source', program],
    { encoding: 'utf8' }
  )
  expect(stdout.split('\n').slice(0, 2)).toEqual([
    'the tunnel engine cannot start: cannot make an event loop: Too many open files (os error 24)',
    'then it works'
  ])
  expect(status).toBe(0)
})
