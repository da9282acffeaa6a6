import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { LabError } from '../errors.ts'
import { processStartTime, signalProcess } from '../machine/process-facts.ts'
import { cgroupProcesses, removeCgroup } from './cgroups.ts'

const prefix = 'culvert-lab-'

/** Says whose directory this is, and what else belongs to the cluster. A directory without it is not in use. */
const ownerFile = 'owner.json'

interface Owner {
  readonly pid: number
  /** Field 22 of /proc/<pid>/stat: a later process with the same pid has another. */
  readonly startTime: string
  /** Pids and start times begin anew with each boot. */
  readonly boot: string
  readonly cgroup: string
}

export interface RuntimeDirectory {
  readonly id: string
  readonly path: string
  /** The cluster's cgroup. */
  readonly cgroup: string
  /** Removes the cgroup and, unless it is to be kept, the directory. */
  close(options: { keep: boolean }): Promise<void>
}

/** Complete under its name from the first moment, so that a sweep never meets one without its owner. */
export function createRuntimeDirectory(cgroupRoot: string, parent: string = os.tmpdir()): RuntimeDirectory {
  const id = randomBytes(4).toString('hex')
  const directory = path.join(parent, prefix + id)
  const cgroup = path.join(cgroupRoot, prefix + id)
  const owner: Owner = { pid: process.pid, startTime: processStartTime(process.pid)!, boot: bootId(), cgroup }
  const unnamed = fs.mkdtempSync(path.join(parent, '.culvert-lab-'))
  fs.chmodSync(unnamed, 0o755)
  fs.writeFileSync(path.join(unnamed, ownerFile), JSON.stringify(owner))
  fs.renameSync(unnamed, directory)
  fs.mkdirSync(cgroup)
  return {
    id,
    path: directory,
    cgroup,
    close: async ({ keep }) => {
      // With its owner named, the directory is what a later sweep finds the group by.
      if (!(await endCgroup(cgroup))) throw new LabError('LAB_NODE', `processes in ${cgroup} do not end`)
      if (keep) fs.rmSync(path.join(directory, ownerFile), { force: true })
      else fs.rmSync(directory, { recursive: true, force: true })
    }
  }
}

/**
 * Removes what clusters left behind whose process died without closing them. Their namespaces are gone with their
 * holders; the cgroups and files are not. Returns the ids.
 */
export async function sweepDeadClusters(parent: string = os.tmpdir()): Promise<string[]> {
  const swept: string[] = []
  for (const entry of fs.readdirSync(parent)) {
    if (!entry.startsWith(prefix)) continue
    const directory = path.join(parent, entry)
    // Anybody may put something into /tmp; what we kill and remove by is only taken from ourselves.
    const stat = fs.lstatSync(directory, { throwIfNoEntry: false })
    if (!stat?.isDirectory() || stat.uid !== process.getuid?.()) continue
    const owner = readOwner(path.join(directory, ownerFile))
    if (owner === undefined || isAlive(owner)) continue
    if (!(await endCgroup(owner.cgroup))) continue // a later sweep may fare better
    fs.rmSync(directory, { recursive: true, force: true })
    swept.push(entry.slice(prefix.length))
  }
  return swept
}

function readOwner(file: string): Owner | undefined {
  try {
    const owner = JSON.parse(fs.readFileSync(file, 'utf8')) as Partial<Owner>
    const { pid, startTime, boot, cgroup } = owner
    if (typeof pid !== 'number' || typeof startTime !== 'string' || typeof boot !== 'string') return undefined
    if (typeof cgroup !== 'string' || !path.basename(cgroup).startsWith(prefix)) return undefined
    return { pid, startTime, boot, cgroup }
  } catch {
    return undefined // not ours, or another sweep is at it
  }
}

function isAlive(owner: Owner): boolean {
  return owner.boot === bootId() && processStartTime(owner.pid) === owner.startTime
}

function bootId(): string {
  return fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}

/** Kills what is in the group and removes it. A killed process leaves it only once it is reaped, a moment later. */
async function endCgroup(cgroup: string): Promise<boolean> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (removeCgroup(cgroup)) return true
    for (const pid of cgroupProcesses(cgroup)) signalProcess(pid, 'SIGKILL')
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  return false
}
