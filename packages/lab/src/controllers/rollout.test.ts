import { expect, it } from 'vitest'
import { type Replicas, resolveCount, rolloutStep } from './rollout.ts'

const set = (wanted: number, available = wanted): Replicas => ({ wanted, available })
const quarter = { maxSurge: '25%', maxUnavailable: '25%' }

it.each([
  {
    name: 'begins with the surge and what may be missing',
    replicas: 4,
    ...quarter,
    current: set(0),
    old: [set(4)],
    step: { current: 1, old: [3] }
  },
  {
    name: 'waits for the new ones',
    replicas: 4,
    ...quarter,
    current: set(2, 0),
    old: [set(3)],
    step: { current: 2, old: [3] }
  },
  {
    name: 'goes on as they become available',
    replicas: 4,
    ...quarter,
    current: set(2, 1),
    old: [set(3)],
    step: { current: 2, old: [2] }
  },
  { name: 'ends', replicas: 4, ...quarter, current: set(4), old: [set(0)], step: { current: 4, old: [0] } },
  {
    name: 'takes broken ones first',
    replicas: 4,
    ...quarter,
    current: set(1, 1),
    old: [set(4, 2)],
    step: { current: 1, old: [2] }
  },
  {
    name: 'lets the oldest go first',
    replicas: 4,
    ...quarter,
    current: set(2, 2),
    old: [set(1), set(2)],
    step: { current: 2, old: [0, 1] }
  },
  {
    name: 'never surges when it must not',
    replicas: 2,
    maxSurge: 0,
    maxUnavailable: 1,
    current: set(0),
    old: [set(2)],
    step: { current: 0, old: [1] }
  },
  {
    name: 'never lacks when it must not',
    replicas: 2,
    maxSurge: 1,
    maxUnavailable: 0,
    current: set(1, 0),
    old: [set(2)],
    step: { current: 1, old: [2] }
  },
  {
    name: 'moves although neither is allowed',
    replicas: 2,
    maxSurge: 0,
    maxUnavailable: 0,
    current: set(0),
    old: [set(2)],
    step: { current: 0, old: [1] }
  },
  { name: 'grows without old ones', replicas: 5, ...quarter, current: set(1), old: [], step: { current: 5, old: [] } },
  { name: 'shrinks', replicas: 1, ...quarter, current: set(5), old: [], step: { current: 1, old: [] } },
  { name: 'empties', replicas: 0, ...quarter, current: set(2), old: [set(2)], step: { current: 0, old: [0] } }
])('$name', ({ name: _, step, ...input }) => {
  expect(rolloutStep(input)).toEqual(step)
})

it.each([
  ['25%', 4, Math.ceil, 1],
  ['25%', 5, Math.ceil, 2],
  ['25%', 5, Math.floor, 1],
  ['100%', 3, Math.floor, 3],
  [2, 10, Math.ceil, 2],
  ['nonsense', 10, Math.ceil, 0]
])('%s of %d', (value, whole, round, count) => {
  expect(resolveCount(value, whole, round)).toBe(count)
})
