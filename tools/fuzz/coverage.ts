import type { Profiler } from 'node:inspector'
import { Session } from 'node:inspector/promises'

/**
 * Which characters of our code have run, and about how often, as V8 counts it. Of the loaded modules and of what they
 * compile themselves; not of Node, the targets and the fuzzer.
 */
export interface Coverage {
  /** Whether anything has run, since the last question of either kind, that had not run before. Remembers nothing. */
  readonly showsNew: () => Promise<boolean>
  /** The same, also where something ran a number of times that it had not; and remembers. */
  readonly learnsNew: () => Promise<boolean>
}

const foreign = /^node:|\.fuzz\.ts$|\/packages\/testing\/|\/tools\/fuzz\/(?!planted)/

export async function measureCoverage(): Promise<Coverage> {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  /** By function: a bit for each order of magnitude in which each character has run. */
  const known = new Map<string, Uint8Array>()
  let counts = new Uint8Array(0)

  /** Bits of the function's characters, which nested ranges overwrite from the outside to the inside. */
  const paint = (ranges: readonly Profiler.CoverageRange[]): Uint8Array => {
    const { startOffset: start, endOffset: end } = ranges[0]!
    if (counts.length < end - start) counts = new Uint8Array(2 * (end - start))
    for (const range of ranges) counts.fill(magnitude(range.count), range.startOffset - start, range.endOffset - start)
    return counts.subarray(0, end - start)
  }

  const take = async (learns: boolean): Promise<boolean> => {
    const { result } = await session.post('Profiler.takePreciseCoverage')
    let isNew = false
    for (const { scriptId, url, functions } of result) {
      if (foreign.test(url)) continue
      for (const { ranges } of functions) {
        const key = `${scriptId}:${ranges[0]!.startOffset}:${ranges[0]!.endOffset}`
        const now = paint(ranges)
        const before = known.get(key)
        if (before === undefined) {
          if (!now.some(bits => bits !== 0)) continue
          isNew = true
          if (!learns) return true
          known.set(key, now.slice())
          continue
        }
        for (let at = 0; at < now.length; at++) {
          if (learns ? (now[at]! & ~before[at]!) === 0 : now[at] === 0 || before[at] !== 0) continue
          isNew = true
          if (!learns) return true
          before[at]! |= now[at]!
        }
      }
    }
    return isNew
  }
  await session.post('Profiler.takePreciseCoverage')
  return { showsNew: () => take(false), learnsNew: () => take(true) }
}

/** One of eight bits; none for what has not run. */
function magnitude(count: number): number {
  return count === 0 ? 0 : 1 << Math.min(7, Math.floor(Math.log2(count)))
}
