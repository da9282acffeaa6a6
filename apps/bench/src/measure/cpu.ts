import { readFileSync } from 'node:fs'
import { ticksPerSecond } from './processes.ts'

/** Seconds of processor time, user and kernel, from a line of /proc/PID/stat; threads that ended are in it. */
export function cpuFromStat(stat: string, perSecond: number): number {
  // The name, in parentheses, may hold anything: proc(5) counts on from the last one. utime and stime are fields 14, 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / perSecond
}

/** Seconds of processor time that these processes have used since they started. */
export const cpuSeconds = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + cpuFromStat(readFileSync(`/proc/${pid}/stat`, 'utf8'), ticksPerSecond()), 0)

/** Of a process and of those children that it has seen end. */
export function cpuSecondsWithChildren(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // proc(5): cutime and cstime are fields 16 and 17.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return cpuFromStat(stat, ticksPerSecond()) + (Number(fields[13]) + Number(fields[14])) / ticksPerSecond()
}
