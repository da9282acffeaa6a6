import { expect, it } from 'vitest'
import { parseProcessorTime, watchStolen } from './stolen.ts'

it('adds up the processors and leaves guests out, who are in user time already', () => {
  const stat = 'cpu  100 1 50 800 3 0 6 40 70 0\ncpu0 50 1 25 400 1 0 3 20 35 0\nintr 5\n'
  expect(parseProcessorTime(stat)).toEqual({ total: 1000, stolen: 40 })
})

it('knows no stolen time where the kernel does not', () => {
  expect(parseProcessorTime('cpu  1 2 3 4\n')).toEqual({ total: 10, stolen: 0 })
})

it('gives a share of what passed', () => {
  const stolen = watchStolen()
  expect(stolen()).toBeGreaterThanOrEqual(0)
  expect(stolen()).toBeLessThanOrEqual(1)
})
