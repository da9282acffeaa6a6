import { expect, it } from 'vitest'
import { cpuFromStat, cpuSeconds } from './cpu.ts'

it('counts fields from the end of the name, whatever is in it', () => {
  const stat = '77 (a) b (c) S 1 77 77 0 -1 4194560 500 0 3 0 120 30 7 9 20 0 5 0 1000 90000 800'
  expect(cpuFromStat(stat, 100)).toBe(1.5)
})

it('reads this process', () => {
  expect(cpuSeconds([process.pid])).toBeCloseTo(process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6, 0)
})
