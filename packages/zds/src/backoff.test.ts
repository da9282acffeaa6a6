import { expect, it } from 'vitest'
import { connectBackoff, createHelloBackoff } from './backoff.ts'

const series = (count: number, backoff: { next(): number }): number[] =>
  Array.from({ length: count }, () => backoff.next())

it('connecting waits 20 ms, doubling to 15 s', () => {
  expect(series(12, connectBackoff())).toEqual([20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240, 15000, 15000])
})

it('a hello waits 500 ms at first, 5 ms once ready, doubling to 15 s', () => {
  const backoff = createHelloBackoff(() => 0.5)
  expect(series(7, backoff)).toEqual([500, 1000, 2000, 4000, 8000, 15000, 15000])
  backoff.becameReady()
  expect(series(3, backoff)).toEqual([5, 10, 20])
})

it.each([
  [0, 400],
  [0.999, 600]
])('jitter %f turns 500 ms into about %d ms', (random, expected) => {
  expect(createHelloBackoff(() => random).next()).toBeCloseTo(expected, -1)
})
