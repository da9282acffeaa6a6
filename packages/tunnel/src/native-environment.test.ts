import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'

const program = fileURLToPath(new URL('./testing/live-engine.ts', import.meta.url))

/** The engine's threads in this process. */
function dataThreads(): number {
  return readdirSync('/proc/self/task').filter(id => {
    try {
      return readFileSync(`/proc/self/task/${id}/comm`, 'utf8').startsWith('culvert-data')
    } catch {
      return false // ended meanwhile
    }
  }).length
}

describe('an engine nobody closed', () => {
  it('ends with the worker thread that made it', async () => {
    const before = dataThreads()
    const worker = new Worker(program)
    await once(worker, 'message')
    expect(dataThreads()).toBe(before + 3)
    await worker.terminate()
    expect(dataThreads()).toBe(before)
  })

  it('ends with its process, whose status is its own', async () => {
    const child = fork(program)
    await once(child, 'message')
    child.send(7)
    expect(await once(child, 'exit')).toEqual([7, null])
  })
})
