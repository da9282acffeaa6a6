/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('no values have no median')
  const sorted = values.toSorted((a, b) => a - b)
  const upper = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[upper]! : (sorted[upper - 1]! + sorted[upper]!) / 2
}

export interface Summary {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly runs: number
}

export function summarize(values: readonly number[]): Summary {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values), runs: values.length }
}

export interface Ratio {
  /** Of the medians: what is compared with the target. */
  readonly value: number
  /** Of the runs made next to each other; undefined where none is complete. */
  readonly pairs: { readonly min: number; readonly max: number } | undefined
}

/** Ours divided by theirs, both by the number of the run. Undefined where either is missing or theirs is 0. */
export function ratio(ours: ReadonlyMap<number, number>, theirs: ReadonlyMap<number, number>): Ratio | undefined {
  if (ours.size === 0 || theirs.size === 0) return undefined
  const below = median([...theirs.values()])
  if (below === 0) return undefined
  const pairs = [...ours].flatMap(([run, value]) => {
    const other = theirs.get(run)
    return other === undefined || other === 0 ? [] : [value / other]
  })
  return {
    value: median([...ours.values()]) / below,
    pairs: pairs.length === 0 ? undefined : { min: Math.min(...pairs), max: Math.max(...pairs) }
  }
}
