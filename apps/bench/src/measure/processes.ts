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
