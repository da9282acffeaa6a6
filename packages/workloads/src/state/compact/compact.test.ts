import { describe, expect, it } from 'vitest'
import { Random } from '@culvert/testing'
import { createPool } from './pool.ts'
import { createRecordArena } from './record-arena.ts'
import { createSlotTable, hashOf } from './slot-table.ts'
import { createViewCache } from './view-cache.ts'

describe('a record arena', () => {
  it('keeps what was written last through any number of holes', () => {
    const random = new Random(1)
    const arena = createRecordArena({ chunkBytes: 256 })
    const expected = new Map<number, Buffer>()
    for (let step = 0; step < 20_000; step++) {
      const id = random.below(3) ? random.below(40) : random.below(3_000)
      if (random.below(3) === 0) {
        arena.remove(id)
        expected.delete(id)
      } else {
        const bytes = Buffer.alloc(random.below(50) === 0 ? 1_000 : random.below(60), random.below(256))
        arena.write(id, bytes)
        expected.set(id, bytes)
      }
      expect(arena.read(id)?.toString('hex')).toBe(expected.get(id)?.toString('hex'))
    }
    for (let id = 0; id < 3_000; id++) expect(arena.read(id)?.toString('hex')).toBe(expected.get(id)?.toString('hex'))
  })

  it('does not grow while records are replaced', () => {
    const arena = createRecordArena({ chunkBytes: 1_024 })
    const record = Buffer.alloc(100)
    for (let step = 0; step < 50_000; step++) arena.write(step % 20, record)
    expect(arena.heldBytes()).toBeLessThan(10 * 1_024)
  })
})

it('a slot table finds what was added under a hash, collisions and all', () => {
  const random = new Random(2)
  const table = createSlotTable()
  const expected = new Map<number, Set<number>>()
  for (let step = 0; step < 20_000; step++) {
    // Neighbouring and equal hashes, negative ones among them.
    const hash = random.below(40) - 20
    const slot = random.below(8) + 10 * (hash + 20)
    const slots = expected.get(hash) ?? new Set()
    expected.set(hash, slots)
    if (slots.has(slot)) {
      table.remove(hash, slot)
      slots.delete(slot)
    } else {
      table.add(hash, slot)
      slots.add(slot)
    }
    const found = new Set<number>()
    table.find(hash, candidate => {
      found.add(candidate)
      return false
    })
    expect(found).toEqual(slots)
  }
  expect(table.find(1_000, () => true)).toBeUndefined()
})

it('texts that share their ends hash apart', () => {
  expect(hashOf('ab', 'c')).not.toBe(hashOf('a', 'bc'))
})

it('a pool forgets what nobody holds, and uses its number again', () => {
  const pool = createPool<string>()
  const a = pool.hold('a', () => 'a')
  expect(pool.hold('a', () => 'not asked')).toBe(a)
  pool.again(a)
  for (let left = 3; left > 0; left--) {
    expect(pool.get(a)).toBe('a')
    pool.release(a)
  }
  expect(pool.size()).toBe(0)
  expect(pool.hold('b', () => 'b')).toBe(a)
})

it('a view cache makes again what was not asked for lately', () => {
  const made: number[] = []
  const cache = createViewCache<object>({ limit: 2 })
  const ask = (slot: number): object | undefined =>
    cache.get(slot, () => {
      made.push(slot)
      return {}
    })
  expect(ask(1)).toBe(ask(1))
  for (const slot of [2, 3, 1, 4, 5, 6, 1]) ask(slot)
  expect(made).toEqual([1, 2, 3, 4, 5, 6, 1])
  cache.forget(6)
  ask(6)
  expect(made.at(-1)).toBe(6)
})
