import { readdirSync, readFileSync } from 'node:fs'

/**
 * Microseconds on a processor of all threads that these processes have now, to the nanosecond where /proc/PID/stat
 * counts in hundredths of a second.
 */
export function threadMicroseconds(pids: readonly number[]): number {
  let sum = 0
  for (const pid of pids) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      sum += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1_000
    }
  }
  return sum
}
