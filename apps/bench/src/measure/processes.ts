import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** A process and all that descend from it, as numbered on the machine. */
export function processTree(root: number): number[] {
  const children = Map.groupBy(
    readdirSync('/proc').flatMap(name => parentOf(name)),
    ({ parent }) => parent
  )
  const found = [root]
  for (const pid of found) found.push(...(children.get(pid) ?? []).map(child => child.pid))
  return found
}

function parentOf(name: string): { pid: number; parent: number }[] {
  if (!/^\d+$/.test(name)) return []
  try {
    const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
    return [{ pid: Number(name), parent: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) }]
  } catch (error) {
    // Ended since the directory was read: ENOENT, or ESRCH if it was open already.
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return []
    throw error
  }
}

/** When a process started; milliseconds since the epoch, exact to 10. */
export function startOfProcess(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const ticks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]) // field 22, since the machine's start
  const uptime = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0])
  return Date.now() - (uptime - ticks / ticksPerSecond()) * 1_000
}

let clockTicks: number | undefined

/** In which /proc counts. */
export function ticksPerSecond(): number {
  clockTicks ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
  return clockTicks
}
