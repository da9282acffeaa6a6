import type { ChildProcess } from 'node:child_process'
import fs from 'node:fs'
import { LabError, reasonOf } from '../errors.ts'

/** Field 22 of /proc/<pid>/stat, in clock ticks since boot: with the pid it names one process for good. */
export function processStartTime(pid: number): string | undefined {
  let stat: string
  try {
    stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return undefined // no such process
  }
  // Field 2, the name, may hold spaces and parentheses: count from behind the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' ? undefined : fields[19]
}

/** The one child of a process that forks once and then waits, such as `unshare --fork` and `nsenter --pid`. */
export function onlyChild(pid: number): number {
  let children: string
  try {
    children = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  } catch (error) {
    throw new LabError('LAB_COMMAND', `cannot read the children of process ${pid}: ${reasonOf(error)}`, {
      cause: error
    })
  }
  const child = Number.parseInt(children, 10)
  if (!Number.isInteger(child)) throw new LabError('LAB_COMMAND', `process ${pid} has no child`)
  return child
}

/**
 * SIGKILL for a child that was spawned `detached`, and for what it started: nsenter does not pass on its own end, so killed
 * alone it would leave the program it waits for running. Nothing once the child has ended: the number may be another's.
 */
export function killGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  signalProcess(-child.pid, 'SIGKILL')
}

/** ESRCH, the process ended before the signal came, is what the sender wanted. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
