import type { BenchCase, RunOptions, Values } from './cases/case.ts'
import { BenchError } from './errors.ts'
import type { Refusal, Sample } from './samples.ts'
import type { ContenderName } from './world/contender.ts'
import type { Stage } from './world/stage.ts'

export interface Plan {
  readonly cases: readonly BenchCase[]
  readonly runs: number
  readonly options: RunOptions
}

export interface Measuring extends Plan {
  readonly stages: readonly Stage[]
  readonly signal: AbortSignal
  readonly onProgress: (message: string) => void
}

export interface Measurements {
  readonly samples: readonly Sample[]
  readonly refusals: readonly Refusal[]
}

/** A run that is refused is made once more, in its place. */
const attempts = 2

/**
 * Every case on every stage, so often: the stages in turn within a case and run, each time another one first, so that
 * what changes slowly on the machine meets all of them alike.
 */
export async function runCases({ cases, runs, options, stages, signal, onProgress }: Measuring): Promise<Measurements> {
  const samples: Sample[] = []
  const refusals: Refusal[] = []

  async function measure(key: Pick<Sample, 'case' | 'contender' | 'run'>, once: () => Promise<Values>): Promise<void> {
    for (let attempt = 1; attempt <= attempts; attempt++) {
      signal.throwIfAborted()
      onProgress(`run ${key.run} of ${runs}: ${key.case}, ${key.contender}`)
      try {
        samples.push({ ...key, values: await once() })
        return
      } catch (error) {
        if (!(error instanceof BenchError) || error.code !== 'BENCH_REFUSED') throw error
        refusals.push({ ...key, reason: error.message })
        onProgress(`refused: ${error.message}`)
      }
    }
  }

  for (let run = 1; run <= runs; run++) {
    for (const one of cases) {
      const key = { case: one.name, run }
      if (one.kind === 'local') {
        await measure({ ...key, contender: 'ours' }, () => one.run(options))
        continue
      }
      const taking = inTurn(stages, run).filter(({ contender }) => one.direct || contender.name !== 'direct')
      if (one.settle !== undefined && taking.length > 0) {
        onProgress(`run ${run} of ${runs}: ${one.name}, quiet`)
        await one.settle.run(taking, options)
      }
      for (const stage of taking) {
        await measure({ ...key, contender: stage.contender.name }, () => one.run(stage, options))
      }
    }
  }
  return { samples, refusals }
}

const inTurn = <T>(all: readonly T[], run: number): T[] => all.map((_, index) => all[(index + run - 1) % all.length]!)

/** Seconds that all of it takes, about. */
export function estimate({ cases, runs, options }: Plan, contenders: readonly ContenderName[]): number {
  const setUp = cases.some(({ kind }) => kind === 'cluster') ? 10 * contenders.length : 0
  const once = cases.reduce((sum, one) => {
    if (one.kind === 'local') return sum + one.duration(options)
    const on = contenders.filter(name => name !== 'direct' || one.direct).length
    return sum + on * one.duration(options) + (one.settle?.seconds(options) ?? 0)
  }, 0)
  return setUp + once * runs
}
