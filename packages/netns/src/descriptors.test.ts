import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { reserveDescriptors } from './descriptors.ts'

const tableSize = (): number => Number(/^FDSize:\s+(\d+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1])
const limit = Number(/^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1])

it('has room for the descriptors that were reserved, as far as the process may have them', () => {
  const wanted = tableSize() * 2
  reserveDescriptors(wanted)
  expect(tableSize()).toBeGreaterThanOrEqual(Math.min(wanted, limit / 2))
  const before = tableSize()
  reserveDescriptors(1)
  expect(tableSize()).toBe(before)
})

it('takes what there is where the limit is lower', () => {
  expect(() => reserveDescriptors(2 ** 31 - 1)).not.toThrow()
  expect(tableSize()).toBeGreaterThanOrEqual(Math.min(2 ** 30, limit) / 2)
})
