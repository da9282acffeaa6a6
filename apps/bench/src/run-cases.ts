import { setTimeout } from 'node:timers/promises'
import type { BenchCase, ClusterCase, RunOptions, Values } from './cases/case.ts'
import { BenchError } from './errors.ts'
import { watchStolen } from './measure/stolen.ts'
import { percentText, type Refusal, type Sample } from './samples.ts'
import type { ContenderName } from './world/contender.ts'
import type { Stage } from './world/stage.ts'

export interface Plan {
  readonly cases: readonly BenchCase[]
  readonly runs: number
  readonly options: RunOptions
}

export interface Measuring extends Plan {
  readonly stages: readonly Stage[]
  /** The share of processor time that the host may give to others during a run, 0 to 1; 1: any. */
  readonly maxStolen: number
  readonly signal: AbortSignal
  readonly onProgress: (message: string) => void
}

export interface Measurements {
  readonly samples: readonly Sample[]
  /** Runs that were made again because the host stole too much, and are not among the samples. */
  readonly disturbed: readonly Sample[]
  readonly refusals: readonly Refusal[]
}

/** A run that is refused is made once more, in its place. */
const attempts = 2
/** A run of which the host stole too much is made again, in its place; the least disturbed of so many counts. */
const repetitions = 5

/**
 * Every case on every stage, so often: the stages in turn within a case and run, each time another one first, so that
 * what changes slowly on the machine meets all of them alike.
 */
export async function runCases(measuring: Measuring): Promise<Measurements> {
  const { cases, runs, maxStolen, options, stages, signal, onProgress } = measuring
  const samples: Sample[] = []
  const disturbed: Sample[] = []
  const refusals: Refusal[] = []

  type Key = Pick<Sample, 'case' | 'contender' | 'run'>

  async function measure(key: Key, limit: number, once: () => Promise<Values>): Promise<void> {
    const made: Sample[] = []
    for (let refused = 0; refused < attempts && made.length < repetitions; ) {
      signal.throwIfAborted()
      onProgress(`run ${key.run} of ${runs}: ${key.case}, ${key.contender}`)
      try {
        const stolen = watchStolen()
        const values = await once()
        const sample = { ...key, values, stolen: stolen() }
        made.push(sample)
        if (sample.stolen <= limit) break
        onProgress(`disturbed: the host stole ${percentText(sample.stolen)}`)
      } catch (error) {
        if (!(error instanceof BenchError) || error.code !== 'BENCH_REFUSED') throw error
        refusals.push({ ...key, reason: error.message })
        refused++
        onProgress(`refused: ${error.message}`)
      }
    }
    const [best, ...others] = made.sort((a, b) => a.stolen - b.stolen)
    if (best !== undefined) samples.push(best)
    disturbed.push(...others)
  }

  async function measureCase(one: BenchCase, run: number): Promise<void> {
    const key = { case: one.name, run }
    if (one.kind === 'local') return measure({ ...key, contender: 'ours' }, maxStolen, () => one.run(options))
    // What rested is no longer at rest when measured again, and memory is not the host's to steal.
    const limit = isResting(one) ? 1 : maxStolen
    for (const stage of stagesOf(one, inTurn(stages, run))) {
      await measure({ ...key, contender: stage.contender.name }, limit, () => one.run(stage, options))
    }
  }

  for (let run = 1; run <= runs; run++) {
    const [busy, resting] = byRest(cases)
    for (const one of busy) await measureCase(one, run)
    for (const one of resting) {
      for (const stage of stagesOf(one, stages)) {
        onProgress(`run ${run} of ${runs}: prepare ${one.name}, ${stage.contender.name}`)
        await one.rest.prepare(stage, options)
      }
    }
    await pause(Math.max(0, ...resting.map(({ rest }) => rest.seconds(options))), signal)
    for (const one of resting) await measureCase(one, run)
  }
  return { samples, disturbed, refusals }
}

const pause = async (seconds: number, signal: AbortSignal): Promise<void> => {
  if (seconds > 0) await setTimeout(seconds * 1_000, undefined, { signal })
}

const inTurn = <T>(all: readonly T[], run: number): T[] => all.map((_, index) => all[(index + run - 1) % all.length]!)

const stagesOf = ({ direct }: ClusterCase, all: readonly Stage[]): Stage[] =>
  all.filter(({ contender }) => direct || contender.name !== 'direct')

type RestingCase = ClusterCase & { readonly rest: NonNullable<ClusterCase['rest']> }
const isResting = (one: BenchCase): one is RestingCase => one.kind === 'cluster' && one.rest !== undefined
const byRest = (all: readonly BenchCase[]): [BenchCase[], RestingCase[]] => [
  all.filter(one => !isResting(one)),
  all.filter(isResting)
]

/** Seconds that all of it takes, about, on a machine where no run has to be made again. */
export function estimate({ cases, runs, options }: Plan, contenders: readonly ContenderName[]): number {
  const setUp = cases.some(({ kind }) => kind === 'cluster') ? 10 * contenders.length : 0
  const each = cases.map(one => {
    if (one.kind === 'local') return one.duration(options)
    const on = contenders.filter(name => one.direct || name !== 'direct').length
    return on * (one.duration(options) + (one.rest?.duration ?? 0))
  })
  const rest = Math.max(0, ...cases.filter(isResting).map(one => one.rest.seconds(options)))
  return setUp + (each.reduce((sum, seconds) => sum + seconds, 0) + rest) * runs
}
