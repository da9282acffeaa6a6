import { expect, it } from 'vitest'
import { createUnitGraph } from './unit-graph.ts'

function harness(reads: Record<string, string[]>) {
  const computed: string[] = []
  const graph = createUnitGraph((unit, read) => {
    computed.push(unit)
    for (const topic of reads[unit] ?? []) read(topic)
  })
  return {
    graph,
    run() {
      computed.length = 0
      graph.flush()
      return [...computed].sort()
    }
  }
}

it('computes again exactly what read a touched topic, as of its last computation', () => {
  const reads: Record<string, string[]> = { a: ['x', 'y'], b: ['y'], c: ['z'] }
  const { graph, run } = harness(reads)
  for (const unit of ['a', 'b', 'c']) graph.mark(unit)
  expect(run()).toEqual(['a', 'b', 'c'])
  graph.touch('y')
  expect(run()).toEqual(['a', 'b'])
  reads.a = ['x']
  graph.mark('a')
  run()
  graph.touch('y')
  expect(run()).toEqual(['b'])
  graph.touch('y', unit => unit === 'nobody')
  expect(run()).toEqual([])
})

it('stops when its time is up, and goes on where it stopped', () => {
  const computed: string[] = []
  const graph = createUnitGraph(unit => void computed.push(unit))
  for (const unit of ['a', 'b', 'c']) graph.mark(unit)
  const results = [graph.flush(-1), graph.flush(-1), graph.flush(-1)]
  expect([results, computed]).toEqual([
    [false, false, true],
    ['a', 'b', 'c']
  ])
})
