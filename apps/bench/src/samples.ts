import type { ContenderName } from './world/contender.ts'

/** What one run of one case measured. */
export interface Sample {
  readonly case: string
  readonly contender: ContenderName
  readonly run: number
  /** By the metrics' names. */
  readonly values: Readonly<Record<string, number>>
  /** The share of processor time that the machine's host gave to others meanwhile, 0 to 1. */
  readonly stolen: number
}

/** A run whose figures are not to be used. */
export interface Refusal {
  readonly case: string
  readonly contender: ContenderName
  readonly run: number
  readonly reason: string
}

/** Of a share, 0 to 1. */
export const percentText = (share: number): string => `${(share * 100).toFixed(1)} %`

/** One metric's values of one contender, by run. */
export function valuesOf(samples: readonly Sample[], metric: string, contender: ContenderName): Map<number, number> {
  const found = new Map<number, number>()
  for (const sample of samples) {
    const value = sample.values[metric]
    if (sample.contender === contender && value !== undefined) found.set(sample.run, value)
  }
  return found
}
