import fs from 'node:fs'
import * as native from '@culvert/native-netns'
import { systemError } from './errors.ts'

/**
 * Makes the process's table of descriptors big enough for this many, or for as many as the process may have. It grows by
 * itself, at each power of two; but in a process of several threads the thread that needs the next descriptor then waits
 * for an RCU grace period: 5 to 30 ms (fs/file.c, expand_fdtable). Eight bytes of the kernel's memory each.
 */
export function reserveDescriptors(count: number): void {
  const some = fs.openSync('/dev/null', 'r')
  try {
    for (let size = count; size >= 1; size = Math.floor(size / 2)) {
      try {
        fs.closeSync(native.duplicate(some, size - 1))
        return
      } catch (error) {
        // EINVAL: over the process's limit. EMFILE: nothing free up to it.
        if (!['EINVAL', 'EMFILE'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
      }
    }
  } catch (error) {
    throw systemError(`reserve ${count} descriptors`, error)
  } finally {
    fs.closeSync(some)
  }
}
