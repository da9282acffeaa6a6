import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Gives back what a big piece of work left behind: V8 keeps the space until much more is allocated, which a process at
 * rest does not do. Takes some tens of milliseconds, so it is for a start.
 */
export function releaseMemory(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
}
