/** A generator that gives the same numbers for the same seed, so that a failure can be seen again. */
export class Random {
  readonly seed: number
  #state: number

  constructor(seed: number) {
    this.seed = seed
    this.#state = seed >>> 0
  }

  /** From 0 up to, but not including, 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from 0 up to, but not including, `limit`. */
  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  /** A whole number of both bounds and what lies between. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!
  }

  bytes(count: number): Buffer {
    const bytes = Buffer.allocUnsafe(count)
    for (let at = 0; at < count; at++) bytes[at] = this.next() * 256
    return bytes
  }
}

/** Of CULVERT_SEED, else of the clock; printed, for the log of a run that fails. */
export function seededRandom(name: string): Random {
  const given = process.env.CULVERT_SEED
  const seed = given === undefined ? Date.now() % 2 ** 32 : Number(given)
  if (!Number.isSafeInteger(seed)) throw new Error(`CULVERT_SEED is '${given}', not a whole number`)
  process.stderr.write(`${name}: CULVERT_SEED=${seed}\n`)
  return new Random(seed)
}
