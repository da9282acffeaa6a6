import { expect, it } from 'vitest'
import type { BenchCase } from '../cases/case.ts'
import type { Sample } from '../samples.ts'
import { number, renderTable } from './table.ts'

const one: BenchCase = {
  kind: 'cluster',
  name: 'speed',
  title: 'Speed',
  metrics: [
    { name: 'rate', title: 'rate', unit: 'Gbit/s', better: 'more', target: { machine: 1.25, reno: 1.5 } },
    { name: 'time', title: '… time', unit: 'µs', better: 'less', target: { machine: 0.8 } },
    { name: 'start', title: 'start', unit: 'ms', better: 'less', limit: 100 }
  ],
  direct: true,
  duration: () => 1,
  run: async () => ({})
}
const sample = (contender: Sample['contender'], run: number, values: Sample['values']): Sample => {
  return { case: 'speed', contender, run, values, stolen: 0 }
}
const ours = [
  sample('ours', 1, { rate: 12, time: 80, start: 40 }),
  sample('ours', 2, { rate: 14, time: 90, start: 50 })
]
const theirs = [sample('peer', 1, { rate: 10, time: 100 }), sample('peer', 2, { rate: 10, time: 100 })]
const common = { cases: [one], disturbed: [], refusals: [], reno: false }

it('compares with the targets', () => {
  const text = renderTable({ ...common, contenders: ['ours', 'peer'], samples: [...ours, ...theirs] })
  expect(text.split('\n')).toEqual(
    [
      'Speed                     ours                peer          ours / peer   target',
      'rate, Gbit/s   13.0 (12.0 … 14.0)  10.0 (10.0 … 10.0)   1.30 (1.20 … 1.40)   ≥ 1.25, reached',
      '… time, µs     85.0 (80.0 … 90.0)       100 (100 … 100)   0.85 (0.80 … 0.90)   ≤ 0.8, MISSED',
      'start, ms      45.0 (40.0 … 50.0)                    –         not measured   ≤ 100 ms, reached'
    ].map(line => expect.stringMatching(loosely(line)))
  )
})

it('has other targets with one congestion control for all', () => {
  const text = renderTable({ ...common, reno: true, contenders: ['ours', 'peer'], samples: [...ours, ...theirs] })
  expect(text).toContain('≥ 1.5, MISSED')
  expect(text).not.toContain('≤ 0.8')
})

it('says that a ratio is not measured, and judges nothing, without a peer', () => {
  const text = renderTable({ ...common, contenders: ['ours'], samples: ours })
  expect(text).toMatch(/rate.*not measured +≥ 1.25$/m)
  expect(text).toContain('≤ 100 ms, reached')
})

it('names what was refused', () => {
  const refusals = [{ case: 'speed', contender: 'peer' as const, run: 2, reason: 'wrk counted errors: read 3' }]
  expect(renderTable({ ...common, contenders: ['ours'], samples: ours, refusals })).toContain(
    'refused: speed, peer, run 2: wrk counted errors: read 3'
  )
})

it.each([
  [0, '0'],
  [0.04567, '0.0457'],
  [1.234, '1.23'],
  [98.76, '98.8'],
  [123.4, '123'],
  [51234.5, '51 235']
])('%d is written %s', (value, expected) => {
  expect(number(value)).toBe(expected)
})

/** Columns by their order, whatever their width. */
function loosely(line: string): RegExp {
  const cells = line.split(/ {2,}/).map(cell => cell.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${cells.join(' {2,}')}$`)
}
