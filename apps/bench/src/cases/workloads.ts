import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { memoryOf } from '../measure/memory.ts'
import { processTree } from '../measure/processes.ts'
import { type LoneProxy, startLoneProxy } from '../world/lone-proxy.ts'
import type { Stage } from '../world/stage.ts'
import { writeWorkloads } from '../world/workload-file.ts'
import type { ClusterCase, RunOptions } from './case.ts'
import { restSeconds } from './rest-seconds.ts'

const workloadCount = ({ quick }: RunOptions): number => (quick ? 2_000 : 100_000)
const fileInside = '/etc/bench/workloads.yaml'

/** Started before the rest, measured after it. */
const started = new WeakMap<Stage, Promise<LoneProxy>>()

/** All from one local file, which both read: discovery would measure the control plane. No pod on the node. */
export const workloads: ClusterCase = {
  kind: 'cluster',
  name: 'workloads',
  title: '100,000 workloads in the local file, no pod on the node',
  metrics: [
    {
      name: 'workloads-start',
      title: 'from process start to ready',
      unit: 's',
      better: 'less',
      target: { machine: 1.5 }
    },
    { name: 'workloads-memory', title: 'memory at rest', unit: 'MB', better: 'less', target: { machine: 1 } },
    { name: 'workloads-memory-peak', title: '… resident at most, ever', unit: 'MB', better: 'less' }
  ],
  direct: false,
  duration: () => 2,
  rest: {
    prepare: async (stage, options) => {
      const starting = start(stage, options)
      started.set(stage, starting)
      await starting.catch(() => {}) // told in its turn
    },
    duration: 8,
    seconds: restSeconds
  },
  run: async (stage, options) => {
    const waiting = started.get(stage) ?? start(stage, options)
    started.delete(stage)
    await using proxy = await waiting
    const pids = processTree(proxy.pid)
    return {
      'workloads-start': proxy.startMs / 1_000,
      'workloads-memory': memoryOf(pids).proportional / 1e6,
      'workloads-memory-peak': pids.reduce((sum, pid) => sum + peakBytes(pid), 0) / 1e6
    }
  }
}

async function start(stage: Stage, options: RunOptions): Promise<LoneProxy> {
  const directory = mkdtempSync(path.join(tmpdir(), 'culvert-bench-'))
  try {
    const file = path.join(directory, 'workloads.yaml')
    writeWorkloads(file, workloadCount(options))
    return await startLoneProxy(stage, {
      name: 'workloads',
      env: { XDS_ADDRESS: '', LOCAL_XDS_PATH: fileInside },
      files: { [fileInside]: file }
    })
  } finally {
    rmSync(directory, { recursive: true })
  }
}

function peakBytes(pid: number): number {
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) * 1024
}
