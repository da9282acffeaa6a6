import { afterEach, describe, expect, it } from 'vitest'
import { createFairSlots, type SlotShare, type WaitOptions } from './fair-slots.ts'

interface Question {
  readonly end: () => void
  readonly done: Promise<void>
}

let testEnds = new AbortController()
let questions: Question[] = []

/** What is left ends with its test: who waits does so for longer than that. */
afterEach(async () => {
  testEnds.abort(new Error('the test is over'))
  for (const { end } of questions) end()
  await Promise.allSettled(questions.map(({ done }) => done))
  testEnds = new AbortController()
  questions = []
})

const patiently = (): WaitOptions => ({ patience: 60_000, signal: testEnds.signal })

/** Work that ends when it is told to. */
function start(share: SlotShare, name: string, running: string[], given = patiently()): Question {
  const { promise, resolve } = Promise.withResolvers<void>()
  const work = (): Promise<void> => {
    running.push(name)
    return promise
  }
  const question = { end: resolve, done: share.run(work, given) }
  questions.push(question)
  return question
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

describe('places for questions', () => {
  it('are bounded for each client and in all', async () => {
    const slots = createFairSlots({ all: 3, each: 2 })
    const [a, b] = [slots.share(), slots.share()]
    const running: string[] = []
    for (const name of ['a1', 'a2', 'a3']) start(a, name, running)
    await turn()
    expect(running).toEqual(['a1', 'a2'])
    for (const name of ['b1', 'b2']) start(b, name, running)
    await turn()
    expect(running).toEqual(['a1', 'a2', 'b1'])
  })

  it('go to whom has least when one is free, and within a client by age', async () => {
    const slots = createFairSlots({ all: 4, each: 3 })
    const [flood, quiet] = [slots.share(), slots.share()]
    const running: string[] = []
    const flooding = Array.from({ length: 10 }, (_, i) => start(flood, `f${i}`, running))
    const first = start(quiet, 'q0', running)
    start(quiet, 'q1', running)
    await turn()
    expect(running).toEqual(['f0', 'f1', 'f2', 'q0'])
    flooding[1]?.end()
    await turn()
    expect(running.at(-1)).toBe('q1')
    first.end()
    await turn()
    expect(running.at(-1)).toBe('f3')
    flooding[0]?.end()
    await turn()
    expect(running.slice(5)).toEqual(['f3', 'f4'])
  })

  it('are given back by work that fails', async () => {
    const share = createFairSlots({ all: 1, each: 1 }).share()
    await expect(share.run(() => Promise.reject(new Error('no')), patiently())).rejects.toThrow('no')
    expect(await share.run(async () => 'yes', patiently())).toBe('yes')
  })

  it('are not waited for longer than wanted, nor after the end', async () => {
    const slots = createFairSlots({ all: 1, each: 1 })
    const share = slots.share()
    const running: string[] = []
    const holder = start(share, 'holder', running)
    await expect(start(share, 'impatient', running, { ...patiently(), patience: 1 }).done).rejects.toMatchObject({
      code: 'DNS_BUSY'
    })
    const stop = new AbortController()
    const stopped = start(share, 'stopped', running, { ...patiently(), signal: stop.signal })
    stop.abort(new Error('the server closes'))
    await expect(stopped.done).rejects.toThrow('the server closes')
    await expect(start(share, 'late', running, { ...patiently(), signal: stop.signal }).done).rejects.toThrow()
    // Those who left take no place with them.
    holder.end()
    await holder.done
    expect(await slots.share().run(async () => 'free', patiently())).toBe('free')
    expect(running).toEqual(['holder'])
  })
})
