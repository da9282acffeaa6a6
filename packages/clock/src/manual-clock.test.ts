import { describe, expect, it } from 'vitest'
import { createManualClock } from './testing/manual-clock.ts'

describe('the clock set by hand', () => {
  it('calls what comes due, in order, also what was asked for on the way', () => {
    const clock = createManualClock(1000)
    const calls: [string, number][] = []
    clock.after(20, () => calls.push(['second', clock.now()]))
    clock.after(10, () => {
      calls.push(['first', clock.now()])
      clock.after(5, () => calls.push(['asked on the way', clock.now()]))
    })
    clock.after(31, () => calls.push(['later', clock.now()]))
    clock.advance(30)
    expect(calls).toEqual([
      ['first', 1010],
      ['asked on the way', 1015],
      ['second', 1020]
    ])
    expect(clock.now()).toBe(1030)
    expect(clock.waits).toEqual([1])
    expect(clock.asked).toEqual([20, 10, 31, 5])
  })

  it('does not call what was cancelled', () => {
    const clock = createManualClock()
    clock.after(10, () => expect.unreachable())()
    clock.advance(10)
    expect(clock.waits).toEqual([])
  })

  it('lets promises go on between calls', async () => {
    const clock = createManualClock()
    const seen: number[] = []
    const wait = (milliseconds: number): Promise<void> => new Promise(resolve => clock.after(milliseconds, resolve))
    void wait(10)
      .then(() => seen.push(clock.now()))
      .then(() => wait(10))
      .then(() => seen.push(clock.now()))
    await clock.settle(20)
    expect(seen).toEqual([10, 20])
  })
})
