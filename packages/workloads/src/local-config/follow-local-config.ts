import { stat } from 'node:fs/promises'
import { type Clock, sleep, systemClock } from '@culvert/clock'
import { applyLoadedConfig, type LocalNames, loadLocalConfig, namesOf } from './load-local-config.ts'
import type { LocalState } from './local-config.ts'

export interface FollowOptions {
  readonly signal: AbortSignal
  readonly onLoaded: () => void
  /** The file as it is now cannot be used, or is not there; what it said before stays in force. */
  readonly onError: (error: Error) => void
  /** Milliseconds between looks at the file. */
  readonly interval?: number
  readonly clock?: Clock
}

/**
 * Keeps up with a local configuration file after its first load, which had these names, until `signal` aborts. It looks
 * at what the path leads to, so a file replaced by renaming, a link that leads elsewhere (as a mounted ConfigMap's) and
 * a file written in place are all seen; a file is read when it looks the same twice in a row, and what was read counts
 * when it still looks the same after.
 */
export async function followLocalConfig(
  path: string,
  first: LocalNames,
  state: LocalState,
  { signal, onLoaded, onError, interval = 1_000, clock = systemClock }: FollowOptions
): Promise<void> {
  let names = first
  /** What was read last, or could not be, and what the file looked like a moment ago. */
  let settled = await look(path)
  let previous = settled
  while (!signal.aborted) {
    await sleep(interval, { clock, signal })
    if (signal.aborted) return
    const now = await look(path)
    const isSteady = now === previous
    previous = now
    if (now === settled || !isSteady) continue
    try {
      const config = await loadLocalConfig(path)
      if ((await look(path)) !== now) continue
      settled = now
      const next = namesOf(config)
      await applyLoadedConfig(config, state, { before: names, now: next })
      names = next
      onLoaded()
    } catch (error) {
      settled = now
      onError(error instanceof Error ? error : new Error(String(error)))
    }
  }
}

/** Changes with the file's content, wherever it lies. */
async function look(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return [dev, ino, size, mtimeNs, ctimeNs].join()
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}
