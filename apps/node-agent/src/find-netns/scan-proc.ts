import { readdirSync, readFileSync, statSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { inNetns, type Netns, openNetns, unmapAddress } from '@culvert/netns'
import { parsePodCgroup } from './pod-cgroup.ts'

/** A pod whose namespace is wanted, with the addresses of its status. */
export interface WantedPod {
  readonly uid: string
  readonly ips: readonly string[]
}

/**
 * Finds pods' network namespaces through their processes (docs/spec/cni.md 4.8). A namespace is accepted for a pod only
 * if one of the pod's addresses is on an interface inside it: a process of one pod may sit in another's for a while.
 * The caller closes what it gets.
 */
export function scanProc(proc: string, wanted: readonly WantedPod[]): Map<string, Netns> {
  const pods = new Map(wanted.map(pod => [pod.uid, pod]))
  const host = inodeKey(path.join(proc, '1/ns/net'))
  const claimed = new Set<string>()
  const found = new Map<string, { netns: Netns; startTime: bigint }>()
  for (const pid of readdirSync(proc)
    .filter(name => /^\d+$/.test(name))
    .sort()) {
    const process = readProcess(path.join(proc, pid))
    if (process === undefined || process.inode === host || claimed.has(process.inode)) continue
    const pod = pods.get(process.podUid)
    if (pod === undefined || pod.ips.length === 0) continue
    const netns = openOwned(path.join(proc, pid, 'ns/net'), pod)
    if (netns === undefined) continue
    claimed.add(process.inode)
    const other = found.get(pod.uid)
    if (other !== undefined && other.startTime <= process.startTime) {
      netns.close()
      continue
    }
    other?.netns.close()
    found.set(pod.uid, { netns, startTime: process.startTime })
  }
  return new Map([...found].map(([uid, { netns }]) => [uid, netns]))
}

interface Process {
  readonly inode: string
  readonly startTime: bigint
  readonly podUid: string
}

/** Undefined for a process that is gone, is of no pod, or cannot be read. */
function readProcess(dir: string): Process | undefined {
  try {
    const inode = inodeKey(path.join(dir, 'ns/net'))
    const stat = readFileSync(path.join(dir, 'stat'), 'utf8')
    // Field 22, counted behind the command's name, which may hold blanks and parentheses.
    const startTime = BigInt(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '')
    const cgroup = parsePodCgroup(readFileSync(path.join(dir, 'cgroup'), 'utf8'))
    return cgroup && { inode, startTime, podUid: cgroup.podUid }
  } catch (error) {
    // Processes end while we look.
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

function inodeKey(file: string): string {
  const { dev, ino } = statSync(file, { bigint: true })
  return `${dev}:${ino}`
}

/** The namespace, if one of the pod's addresses is inside. */
function openOwned(file: string, pod: WantedPod): Netns | undefined {
  let netns: Netns
  try {
    netns = openNetns(file)
  } catch {
    return undefined
  }
  try {
    const inside = inNetns(netns, () => Object.values(os.networkInterfaces()).flatMap(list => list ?? []))
    const own = new Set(pod.ips.map(unmapAddress))
    if (inside.some(({ address }) => own.has(unmapAddress(address)))) return netns
  } catch {
    // What cannot be checked is not the pod's.
  }
  netns.close()
  return undefined
}
