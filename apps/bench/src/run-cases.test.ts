import { expect, it } from 'vitest'
import type { ClusterCase, LocalCase } from './cases/case.ts'
import { BenchError } from './errors.ts'
import { estimate, runCases } from './run-cases.ts'
import type { ContenderName } from './world/contender.ts'
import type { Stage } from './world/stage.ts'

const options = { seconds: 1, quick: true }
const stage = (name: ContenderName): Stage => ({ contender: { name, image: undefined } }) as unknown as Stage
const stages = [stage('ours'), stage('peer'), stage('direct')]

/** Cases that write down when they are run. */
function recorded() {
  const log: string[] = []
  const common = { kind: 'cluster' as const, metrics: [], duration: () => 10 }
  const busy: ClusterCase = {
    ...common,
    name: 'busy',
    title: 'busy',
    direct: true,
    run: async ({ contender }) => {
      log.push(`busy ${contender.name}`)
      return { busy: 1 }
    }
  }
  const resting: ClusterCase = {
    ...common,
    name: 'resting',
    title: 'resting',
    direct: false,
    rest: {
      prepare: async ({ contender }) => void log.push(`prepare ${contender.name}`),
      duration: 5,
      seconds: () => 0
    },
    run: async ({ contender }) => {
      log.push(`resting ${contender.name}`)
      return { resting: 1 }
    }
  }
  const local: LocalCase = {
    kind: 'local',
    name: 'local',
    title: 'local',
    metrics: [],
    duration: () => 3,
    run: async () => {
      log.push('local')
      return { local: 1 }
    }
  }
  return { log, busy, resting, local }
}

const common = { stages, options, maxStolen: 1, signal: new AbortController().signal, onProgress: () => {} }

it('takes turns, each run another one first, and measures at rest last', async () => {
  const { log, busy, resting, local } = recorded()
  const { samples } = await runCases({ ...common, cases: [resting, busy, local], runs: 2 })
  expect(log).toEqual([
    ...[
      'busy ours',
      'busy peer',
      'busy direct',
      'local',
      'prepare ours',
      'prepare peer',
      'resting ours',
      'resting peer'
    ],
    ...[
      'busy peer',
      'busy direct',
      'busy ours',
      'local',
      'prepare ours',
      'prepare peer',
      'resting peer',
      'resting ours'
    ]
  ])
  expect(samples).toHaveLength(12)
  expect(samples.at(-1)).toEqual({
    case: 'resting',
    contender: 'ours',
    run: 2,
    values: { resting: 1 },
    stolen: expect.any(Number)
  })
})

it('makes a refused run once more, and says so', async () => {
  const { busy } = recorded()
  let runs = 0
  const flaky = {
    ...busy,
    run: async () => {
      if (++runs === 1 || runs > 3) throw new BenchError('BENCH_REFUSED', `run ${runs}`)
      return { busy: runs }
    }
  }
  const { samples, refusals } = await runCases({ ...common, cases: [flaky], runs: 1 })
  expect(samples.map(({ contender, values }) => [contender, values.busy])).toEqual([
    ['ours', 2],
    ['peer', 3]
  ])
  expect(refusals.map(({ contender, reason }) => [contender, reason])).toEqual([
    ['ours', 'run 1'],
    ['direct', 'run 4'],
    ['direct', 'run 5']
  ])
})

it('makes a run again while the host steals too much, and keeps the least disturbed', async () => {
  const { busy, resting } = recorded()
  let runs = 0
  const counted = { ...busy, direct: false, run: async () => ({ busy: ++runs }) }
  // No share is so small.
  const found = await runCases({ ...common, stages: [stages[0]!], cases: [counted, resting], runs: 1, maxStolen: -1 })
  expect(found.samples.map(sample => sample.case)).toEqual(['busy', 'resting'])
  expect(found.disturbed).toHaveLength(4)
  const shares = found.disturbed.map(({ stolen }) => stolen)
  expect(Math.min(...shares)).toBeGreaterThanOrEqual(found.samples[0]!.stolen)
  expect(runs).toBe(5)
})

it('does not go on after any other failure, or when told to stop', async () => {
  const { busy } = recorded()
  const broken = { ...busy, run: () => Promise.reject(new BenchError('BENCH_SETUP', 'it is gone')) }
  await expect(runCases({ ...common, cases: [broken], runs: 1 })).rejects.toThrow('it is gone')
  const signal = AbortSignal.abort(new Error('enough'))
  await expect(runCases({ ...common, cases: [busy], runs: 1, signal })).rejects.toThrow('enough')
})

it('estimates by who takes part', () => {
  const { busy, resting, local } = recorded()
  const plan = { cases: [busy, resting, local], runs: 5, options }
  // Set-up of 3 clusters; 3 × 10, 2 × 15 and 3 seconds, five times.
  expect(estimate(plan, ['ours', 'peer', 'direct'])).toBe(30 + 5 * 63)
  expect(estimate({ ...plan, cases: [local] }, ['ours'])).toBe(15)
})
