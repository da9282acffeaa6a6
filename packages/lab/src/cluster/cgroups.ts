import fs from 'node:fs'
import path from 'node:path'
import { LabError, reasonOf } from '../errors.ts'

/** v2 first; of the v1 hierarchies those that no limit of the machine hangs on. */
const candidates = [
  '/sys/fs/cgroup',
  '/sys/fs/cgroup/unified',
  '/sys/fs/cgroup/systemd',
  '/sys/fs/cgroup/pids',
  '/sys/fs/cgroup/freezer'
]

export type CgroupRoot = { readonly directory: string } | { readonly reason: string }

/**
 * A mounted hierarchy in which groups can be made. One is enough: the lab sets no limits, it names the groups so that
 * whoever reads /proc/<pid>/cgroup finds the pod there.
 */
export function findCgroupRoot(): CgroupRoot {
  const tried: string[] = []
  for (const directory of candidates) {
    // Version 1 mounts a plain tmpfs at the first candidate; only a cgroup file system has this file.
    if (!fs.existsSync(path.join(directory, 'cgroup.procs'))) continue
    const probe = path.join(directory, `culvert-probe-${process.pid}`)
    try {
      fs.mkdirSync(probe)
      fs.rmdirSync(probe)
      return { directory }
    } catch (error) {
      tried.push(`${directory}: ${reasonOf(error)}`)
    }
  }
  const detail = tried.length === 0 ? `no cgroup file system at ${candidates.join(', ')}` : tried.join('; ')
  return { reason: `the lab needs a writable cgroup hierarchy, version 1 or 2 (${detail})` }
}

export function requireCgroupRoot(): string {
  const root = findCgroupRoot()
  if ('reason' in root) throw new LabError('LAB_UNSUPPORTED', root.reason)
  return root.directory
}

/** Every process in the group and the groups below it, as numbered on the machine. */
export function cgroupProcesses(directory: string): number[] {
  const found: number[] = []
  for (const group of groupsBelow(directory)) {
    for (const line of readLines(path.join(group, 'cgroup.procs'))) found.push(Number(line))
  }
  return found
}

/** Removes the group and those below it, deepest first. Groups that still hold processes stay; false says so. */
export function removeCgroup(directory: string): boolean {
  let gone = true
  for (const group of groupsBelow(directory).reverse()) {
    try {
      fs.rmdirSync(group)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') gone = false
    }
  }
  return gone
}

/** The group itself first, each parent before its children. */
function groupsBelow(directory: string): string[] {
  let entries: fs.Dirent[]
  try {
    entries = fs.readdirSync(directory, { withFileTypes: true })
  } catch {
    return [] // gone in the meantime
  }
  const below = entries.filter(entry => entry.isDirectory()).map(entry => path.join(directory, entry.name))
  return [directory, ...below.flatMap(groupsBelow)]
}

function readLines(file: string): string[] {
  try {
    return fs.readFileSync(file, 'utf8').split('\n').filter(Boolean)
  } catch {
    return [] // gone in the meantime
  }
}
