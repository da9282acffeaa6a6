import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { images } from '@culvert/demo/mesh'
import { processTree } from '../measure/processes.ts'
import type { ContenderName } from '../world/contender.ts'
import type { Stage } from '../world/stage.ts'
import { type Build, buildOf } from './build.ts'
import { congestionControls } from './sockets.ts'

/** What the figures depend on. */
export interface Conditions {
  readonly time: string
  readonly machine: {
    readonly cpu: string
    readonly cpus: number
    readonly memoryBytes: number
    readonly kernel: string
    readonly congestionControl: string
    /** Runnable processes over the last minute when it began: more than a few tenths is somebody else's work. */
    readonly loadBefore: number
  }
  /** Of this checkout. */
  readonly revision: string
  readonly loadPrograms: string
  readonly contenders: readonly ContenderConditions[]
}

export interface ContenderConditions {
  readonly name: ContenderName
  readonly build: Build
  /** Of one proxy after the runs, by name. */
  readonly threads: Readonly<Record<string, number>>
  readonly cpusAllowed: string
  readonly cpuQuota: string
  readonly openFiles: number
  /** By the kind of socket. */
  readonly congestionControls: Readonly<Record<string, string>>
}

/** What is known before the first run. */
export function machineConditions(): Omit<Conditions, 'contenders'> {
  return {
    time: new Date().toISOString(),
    machine: {
      cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
      cpus: os.availableParallelism(),
      memoryBytes: os.totalmem(),
      kernel: os.release(),
      congestionControl: readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim(),
      loadBefore: os.loadavg()[0]!
    },
    revision: firstLine('git', ['-C', import.meta.dirname, 'describe', '--always', '--dirty']),
    loadPrograms: [firstLine('iperf3', ['--version']), firstLine('wrk', ['-v'])].join('; ')
  }
}

/** Of a stage with a mesh; puts a short load on it. */
export async function contenderConditions(stage: Stage): Promise<ContenderConditions> {
  const image = stage.contender.image ?? images['culvert/ztunnel']!
  const [pid] = stage.proxies().sending as [number]
  return {
    name: stage.contender.name,
    build: await buildOf(image.command),
    threads: threadsOf(processTree(pid)),
    cpusAllowed: /^Cpus_allowed_list:\s+(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 'unknown',
    cpuQuota: cpuQuota(readFileSync(`/proc/${pid}/cgroup`, 'utf8')),
    openFiles: Number(/^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))?.[1]),
    congestionControls: await congestionControls(stage)
  }
}

function threadsOf(pids: readonly number[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const pid of pids) {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      // What only differs in its number is of one kind.
      const name = readFileSync(`/proc/${pid}/task/${task}/comm`, 'utf8')
        .trim()
        .replace(/[-_ ]?\d+$/, '')
      counts[name] = (counts[name] ?? 0) + 1
    }
  }
  return counts
}

/** The processor time that a group of processes, or one above it, may use; by the text of /proc/PID/cgroup. */
function cpuQuota(cgroups: string): string {
  for (const line of cgroups.trim().split('\n')) {
    const [id, controllers, group] = line.split(':') as [string, string, string]
    const version2 = id === '0'
    if (!version2 && !controllers.split(',').includes('cpu')) continue
    const root = version2 ? '/sys/fs/cgroup' : `/sys/fs/cgroup/${controllers}`
    for (let at = group; ; at = path.dirname(at)) {
      const file = path.join(root, at, version2 ? 'cpu.max' : 'cpu.cfs_quota_us')
      const limit = existsSync(file) ? readFileSync(file, 'utf8').trim() : 'max'
      if (!limit.startsWith('max') && limit !== '-1') return `${limit} (${file})`
      if (at === '/' || at === '.') break
    }
  }
  return 'none'
}

/** Of a program that may end with an error after telling its version. */
function firstLine(program: string, args: readonly string[]): string {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      .split('\n')[0]!
      .trim()
  } catch (error) {
    const { stdout } = error as { stdout?: string }
    return stdout?.split('\n')[0]?.trim() || `${program}: unknown`
  }
}
