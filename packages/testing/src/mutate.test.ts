import { describe, expect, it } from 'vitest'
import { accepted, assertPlainText, type FuzzTarget, tryOut } from './fuzz-target.ts'
import { mutateProtobuf } from './mutate-protobuf.ts'
import { type Mutable, mutate } from './mutate.ts'
import { Random } from './random.ts'

const from: Mutable = {
  // A message: field 1 is a message whose field 2 is "ab", field 3 is 150.
  input: Buffer.from('0a0412026162189601', 'hex'),
  other: Buffer.from('2a03787978', 'hex'),
  words: [Buffer.from('word')],
  maxBytes: 64
}

describe.each([mutate, mutateProtobuf])('%o', change => {
  it('makes the same inputs from the same random numbers, within the length', () => {
    const [one, same, other] = [new Random(1), new Random(1), new Random(2)].map(random =>
      Array.from({ length: 500 }, () => change(random, from))
    )
    expect(same).toEqual(one)
    expect(other).not.toEqual(one)
    expect(Math.max(...one!.map(({ length }) => length))).toBeLessThanOrEqual(64)
    expect(one!.some(bytes => bytes.includes('word'))).toBe(true)
    expect(one!.some(bytes => bytes.includes('xyx'))).toBe(true)
  })

  it('takes what is empty', () => {
    const random = new Random(1)
    const nothing = { input: Buffer.alloc(0), other: Buffer.alloc(0), words: [], maxBytes: 64 }
    for (let count = 0; count < 500; count++) expect(change(random, nothing).length).toBeLessThanOrEqual(64)
  })
})

class Refusal extends Error {
  readonly code = 'NO'
}

const target = (run: FuzzTarget['run']): FuzzTarget => ({ name: 'x', seeds: [Buffer.from('seed')], run })
const options = { random: new Random(1), inputs: 200 }

describe('trying out', () => {
  it('counts what is taken and what is refused', async () => {
    const { taken, refused } = await tryOut(
      target(input => input.length < 5),
      options
    )
    expect(taken + refused).toBe(201)
    expect(Math.min(taken, refused)).toBeGreaterThan(20)
  })

  it('shows the input of a defect', async () => {
    const broken = target(input => {
      if (input.length > 100) throw new Error('too long')
      return true
    })
    await expect(tryOut(broken, options)).rejects.toThrow(/^x has a defect, shown by [A-Za-z0-9+/=]{100,}$/)
  })
})

describe('a refusal', () => {
  const refusing = (error: unknown) => () =>
    accepted(() => {
      throw error
    }, 'NO')

  it('is one with its code and a message that can be shown', () => {
    expect(refusing(new Refusal('no'))()).toBeUndefined()
    expect(accepted(() => 1, 'NO')).toBe(1)
    expect(refusing(new Error('no'))).toThrow('no')
    expect(refusing(new Refusal('a\nb'))).toThrow('control characters')
    expect(refusing(new Refusal('x'.repeat(1_001)))).toThrow('1001 characters')
  })

  it.each(['\x1b[2J', '\x85', '\u2028', '\ud800'])('shows no %j', text => {
    expect(() => assertPlainText(text)).toThrow('control characters')
  })
})
