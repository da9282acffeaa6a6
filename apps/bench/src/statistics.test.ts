import { describe, expect, it } from 'vitest'
import { median, ratio, summarize } from './statistics.ts'

describe('median', () => {
  it.each([
    [[3], 3],
    [[10, 1, 2], 2],
    [[4, 1, 10, 2], 3],
    [[100, 9, 11], 11]
  ])('of %j is %d', (values, expected) => {
    expect(median(values)).toBe(expected)
  })

  it('refuses to have one of nothing', () => {
    expect(() => median([])).toThrow('no values')
  })
})

it('summarizes with the spread', () => {
  expect(summarize([5, 1, 3])).toEqual({ median: 3, min: 1, max: 5, runs: 3 })
})

describe('ratio', () => {
  const runs = (...values: number[]): Map<number, number> => new Map(values.map((value, index) => [index + 1, value]))

  it('is that of the medians, with the spread of the runs next to each other', () => {
    expect(ratio(runs(2, 4, 9), runs(2, 2, 3))).toEqual({ value: 2, pairs: { min: 1, max: 3 } })
  })

  it('pairs by the number of the run where one is missing', () => {
    const theirs = new Map([
      [2, 2],
      [3, 4]
    ])
    expect(ratio(runs(1, 4, 8), theirs)).toEqual({ value: 4 / 3, pairs: { min: 2, max: 2 } })
  })

  it.each([
    ['without a peer', runs(1), new Map()],
    ['without ours', new Map(), runs(1)],
    ['where the peer’s is 0', runs(1), runs(0)]
  ])('is not there %s', (_, ours, theirs) => {
    expect(ratio(ours, theirs)).toBeUndefined()
  })
})
