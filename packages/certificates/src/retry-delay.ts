/** docs/spec/identity-ca.md 4.4, "Backoff"; milliseconds. */
const longest = 150_000
const settled = 15 * 60_000

/** How often fetching one identity failed since it last succeeded. */
export interface Failures {
  readonly count: number
  readonly firstAt: number
  readonly lastAt: number
}

export function nextFailure(failures: Failures | undefined, now: number): Failures {
  return { count: (failures?.count ?? 0) + 1, firstAt: failures?.firstAt ?? now, lastAt: now }
}

/**
 * 1, 2, 4 … 128 s, then 150 s, each times a random factor in [0.8, 1.2]; exactly 150 s once 15 minutes have passed
 * since the first failure or the delay would cross that mark.
 */
export function retryDelay({ count, firstAt, lastAt }: Failures, random: () => number): number {
  const base = count > 8 ? longest : 1000 * 2 ** (count - 1)
  const delay = base * (0.8 + 0.4 * random())
  return lastAt + delay - firstAt >= settled ? longest : delay
}
