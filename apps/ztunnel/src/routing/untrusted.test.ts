import { Random, tryOut } from '@culvert/testing'
import { describe, expect, it } from 'vitest'
import { targets } from './untrusted.fuzz.ts'

describe.each(targets)('$name', target => {
  it.each([1, 2])('takes or refuses what becomes of its seeds, from random numbers %i', async seed => {
    const { taken, refused } = await tryOut(target, { random: new Random(seed), inputs: 1_000 })
    expect(taken).toBeGreaterThan(0)
    expect(refused).toBeGreaterThan(0)
  })
})
