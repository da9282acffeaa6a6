import { expect, it } from 'vitest'
import { memoryFromRollup, memoryOf } from './memory.ts'

// A shell's, kernel 6.18.
const rollup = `55d0a5c55000-7ffd1d7f9000 ---p 00000000 00:00 0                          [rollup]
Rss:                1904 kB
Pss:                 290 kB
Pss_Dirty:           232 kB
Pss_Anon:            204 kB
Pss_File:             86 kB
Pss_Shmem:             0 kB
Shared_Clean:       1672 kB
Shared_Dirty:          0 kB
Private_Clean:         0 kB
Private_Dirty:       232 kB
Referenced:         1904 kB
Anonymous:           204 kB
Swap:                  0 kB
SwapPss:               0 kB
Locked:                0 kB
`

it('reads the kernel’s sums', () => {
  expect(memoryFromRollup(rollup)).toEqual({ proportional: 290 * 1024, private: 232 * 1024, resident: 1904 * 1024 })
})

it('says what is missing', () => {
  expect(() => memoryFromRollup('Rss: 1 kB\n')).toThrow('no line Pss')
})

it('adds processes up', () => {
  const [one, two] = [memoryOf([process.pid]), memoryOf([process.pid, process.pid])]
  expect(two.resident).toBeGreaterThan(one.resident * 1.5)
})
