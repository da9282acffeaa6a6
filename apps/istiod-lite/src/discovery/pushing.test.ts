import { describe, expect, it } from 'vitest'
import { createManualClock } from '@culvert/clock/testing'
import { createDebounce, noChanges } from './debounce.ts'
import { createPushQueue } from './push-queue.ts'
import { createRateLimit } from './rate-limit.ts'

const changes = (...names: string[]) => ({ addresses: new Set(names), policies: new Set<string>() })

describe('debounce', () => {
  it('pushes once it was quiet, everything together', () => {
    const clock = createManualClock()
    const pushed: unknown[] = []
    const push = (c: ReturnType<typeof changes>, waited: number) => pushed.push([[...c.addresses], waited])
    const debounce = createDebounce({ quiet: 100, longest: 10_000, clock, push })
    debounce.add(changes('a'))
    clock.advance(99)
    debounce.add(changes('b', 'a'))
    clock.advance(99)
    expect(pushed).toEqual([])
    clock.advance(1)
    expect(pushed).toEqual([[['a', 'b'], 199]])
  })

  it('pushes at the longest wait, however restless it is', () => {
    const clock = createManualClock()
    const pushed: number[] = []
    const debounce = createDebounce({ quiet: 100, longest: 1000, clock, push: () => pushed.push(clock.now()) })
    for (let i = 0; i < 30; i++) {
      debounce.add(changes(`n${i}`))
      clock.advance(50)
    }
    expect(pushed[0]).toBe(1000)
  })

  it('is not woken by a change of nothing', () => {
    const clock = createManualClock()
    const pushed: unknown[] = []
    const debounce = createDebounce({ quiet: 100, longest: 1000, clock, push: c => pushed.push(c) })
    debounce.add(noChanges())
    clock.advance(1000)
    expect(pushed).toEqual([])
  })
})

describe('push queue', () => {
  const slow = () => {
    const pushes: { names: string[]; done: () => void }[] = []
    return {
      pushes,
      push: (c: ReturnType<typeof changes>) =>
        new Promise<void>(resolve => pushes.push({ names: [...c.addresses].sort(), done: resolve }))
    }
  }
  const settle = () => new Promise<void>(resolve => setImmediate(resolve))

  it('merges what comes while a client is busy, and keeps nobody else waiting', async () => {
    const queue = createPushQueue({ atOnce: 10 })
    const [a, b] = [slow(), slow()]
    queue.join(a)
    queue.join(b)
    queue.add(changes('1'))
    b.pushes[0]?.done()
    await settle()
    queue.add(changes('2'))
    queue.add(changes('3'))
    await settle()
    expect(a.pushes.map(({ names }) => names)).toEqual([['1']])
    expect(b.pushes.map(({ names }) => names)).toEqual([['1'], ['2']])
    a.pushes[0]?.done()
    await settle()
    expect(a.pushes.map(({ names }) => names)).toEqual([['1'], ['2', '3']])
  })

  it('writes to no more clients at once than allowed, and forgets those that left', async () => {
    const queue = createPushQueue({ atOnce: 1 })
    const [a, b, c] = [slow(), slow(), slow()]
    for (const target of [a, b, c]) queue.join(target)
    queue.add(changes('1'))
    expect([a, b, c].map(({ pushes }) => pushes.length)).toEqual([1, 0, 0])
    queue.leave(b)
    a.pushes[0]?.done()
    await settle()
    expect([a, b, c].map(({ pushes }) => pushes.length)).toEqual([1, 0, 1])
  })
})

it('the connection rate admits a burst, then one per interval, and refuses what would wait too long', async () => {
  const clock = createManualClock()
  clock.advance(10_000)
  const admit = createRateLimit({ perSecond: 10, longestWait: 1000, clock })
  const results = Array.from({ length: 40 }, () => admit())
  clock.advance(5000)
  const admitted = (await Promise.all(results)).filter(Boolean).length
  expect(admitted).toBe(21)
  expect(await admit()).toBe(true)
})
