import { createManualClock } from '@culvert/clock/testing'
import { describe, expect, it } from 'vitest'
import { createWorkQueue } from './work-queue.ts'

const settle = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

describe('the work queue', () => {
  it('handles one item at a time, in order', async () => {
    const log: string[] = []
    let release = (): void => {}
    const queue = createWorkQueue<string>({
      handle: async item => {
        log.push(`${item} begins`)
        await new Promise<void>(resolve => {
          release = resolve
        })
        log.push(`${item} ends`)
      }
    })
    queue.add('a')
    queue.add('b')
    for (let n = 0; n < 2; n++) {
      await settle()
      release()
      await settle()
    }
    expect(log).toEqual(['a begins', 'a ends', 'b begins', 'b ends'])
  })

  it('tries a failing item again for ever, 5 ms doubling to 5 s, while others pass', async () => {
    const clock = createManualClock()
    const done: string[] = []
    const queue = createWorkQueue<string>({
      clock,
      handle: async item => {
        if (item === 'bad') throw new Error('no')
        done.push(item)
      }
    })
    queue.add('bad')
    queue.add('good')
    await settle()
    await clock.settle(20_000)
    expect(clock.asked.slice(0, 12)).toEqual([5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5000, 5000])
    expect(done).toEqual(['good'])
  })

  it('slows down many failures together to ten a second after a burst of a hundred', async () => {
    const clock = createManualClock()
    const queue = createWorkQueue<number>({
      clock,
      handle: async () => {
        throw new Error('no')
      }
    })
    for (let n = 0; n < 103; n++) queue.add(n)
    await settle()
    expect(clock.asked.slice(98)).toEqual([5, 5, 100, 200, 300])
  })

  it('drops what waits when stopped', async () => {
    const handled: number[] = []
    const queue = createWorkQueue<number>({
      handle: async item => {
        handled.push(item)
      }
    })
    queue.add(1)
    queue.add(2)
    await queue.stop()
    await settle()
    expect(handled).toEqual([1])
  })
})
