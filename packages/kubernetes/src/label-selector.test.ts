import { describe, expect, it } from 'vitest'
import { matchesLabelSelector } from './label-selector.ts'

const labels = { app: 'cart', tier: 'back' }
const expression = (key: string, operator: string, ...values: string[]) => ({
  matchExpressions: [{ key, operator, values }]
})

describe('a label selector', () => {
  it.each([
    ['nothing', undefined, true],
    ['an empty one', {}, true],
    ['null parts', { matchLabels: null, matchExpressions: null }, true],
    ['equal labels', { matchLabels: { app: 'cart', tier: 'back' } }, true],
    ['another value', { matchLabels: { app: 'shop' } }, false],
    ['a key every object inherits', { matchLabels: { constructor: 'Object' } }, false],
    ['In', expression('app', 'In', 'shop', 'cart'), true],
    ['In, absent', expression('zone', 'In', 'cart'), false],
    ['NotIn', expression('app', 'NotIn', 'cart'), false],
    ['NotIn, absent', expression('zone', 'NotIn', 'cart'), true],
    ['Exists', expression('tier', 'Exists'), true],
    ['Exists, inherited', expression('toString', 'Exists'), false],
    ['DoesNotExist', expression('tier', 'DoesNotExist'), false],
    ['DoesNotExist, absent', expression('zone', 'DoesNotExist'), true],
    ['an unknown operator', expression('app', 'Gt', '1'), false],
    ['labels and expressions', { matchLabels: { app: 'cart' }, ...expression('tier', 'In', 'front') }, false]
  ])('%s', (_, selector, holds) => {
    expect(matchesLabelSelector(selector, labels)).toBe(holds)
  })
})
