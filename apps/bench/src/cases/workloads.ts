import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { writeMeshFile } from '@culvert/workloads/testing'
import { cpuSecondsWithChildren } from '../measure/cpu.ts'
import { memoryOf } from '../measure/memory.ts'
import { type LongestTurn, watchTurns } from '../measure/pauses.ts'
import { processTree } from '../measure/processes.ts'
import { type LoneProxy, startLoneProxy } from '../world/lone-proxy.ts'
import type { Stage } from '../world/stage.ts'
import type { ClusterCase, RunOptions } from './case.ts'
import { restSeconds } from './rest-seconds.ts'

const workloadCount = ({ quick }: RunOptions): number => (quick ? 2_000 : 100_000)
const fewWorkloads = 10
const fileInside = '/etc/bench/workloads.yaml'

interface Started {
  readonly proxy: LoneProxy
  /** With hardly any workload, beside it: what it does not have in memory is the workloads'. */
  readonly few: LoneProxy
  readonly cpu: number
  readonly turns: LongestTurn | undefined
}

/** Started before the rest, measured after it. */
const started = new WeakMap<Stage, Promise<Started>>()

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
    { name: 'workloads-start-cpu', title: '… CPU, all processes', unit: 's', better: 'less' },
    { name: 'workloads-pause', title: 'longest turn in the 5 s after that', unit: 'ms', better: 'less', limit: 20 },
    { name: 'workloads-pause-wait', title: '… of it waiting for a processor', unit: 'ms', better: 'less' },
    { name: 'workloads-pause-work', title: '… the most of one on a processor', unit: 'ms', better: 'less' },
    { name: 'workloads-memory', title: 'memory at rest', unit: 'MB', better: 'less', target: { machine: 1 } },
    {
      name: 'workloads-memory-peak',
      title: '… at most on the way, resident, all processes',
      unit: 'MB',
      better: 'less'
    },
    { name: 'workloads-growth', title: '… more than with 10 workloads', unit: 'bytes each', better: 'less', limit: 400 }
  ],
  direct: false,
  duration: () => 2,
  rest: {
    prepare: async (stage, options) => {
      const starting = start(stage, options)
      started.set(stage, starting)
      await starting.catch(() => {}) // told in its turn
    },
    duration: 18,
    seconds: restSeconds
  },
  run: async (stage, options) => {
    const waiting = started.get(stage) ?? start(stage, options)
    started.delete(stage)
    const { proxy, few, cpu, turns } = await waiting
    await using _closed = proxy
    let growth: number
    {
      await using beside = few
      growth = proportional(proxy) - proportional(beside)
    }
    // Alone again: the other one had a part in the pages of the program.
    return {
      'workloads-start': proxy.startMs / 1_000,
      'workloads-start-cpu': cpu,
      ...(turns && {
        'workloads-pause': turns.pause,
        'workloads-pause-wait': turns.wait,
        'workloads-pause-work': turns.work
      }),
      'workloads-memory': proportional(proxy) / 1e6,
      'workloads-memory-peak': proxy.peakBytes / 1e6,
      'workloads-growth': growth / (workloadCount(options) - fewWorkloads)
    }
  }
}

const proportional = ({ pid }: LoneProxy): number => memoryOf(processTree(pid)).proportional

async function start(stage: Stage, options: RunOptions): Promise<Started> {
  const proxy = await startWith(stage, 'workloads', workloadCount(options))
  try {
    const cpu = cpuSecondsWithChildren(proxy.pid)
    const stop = proxy.hasProbe ? await watchTurns(proxy.pid) : undefined
    if (stop !== undefined) await setTimeout(options.quick ? 500 : 5_000)
    const turns = await stop?.()
    return { proxy, few: await startWith(stage, 'workloads-few', fewWorkloads), cpu, turns }
  } catch (error) {
    await proxy[Symbol.asyncDispose]()
    throw error
  }
}

async function startWith(stage: Stage, name: string, count: number): Promise<LoneProxy> {
  const directory = mkdtempSync(path.join(tmpdir(), 'culvert-bench-'))
  try {
    const file = path.join(directory, 'workloads.yaml')
    writeMeshFile(file, { workloads: count })
    return await startLoneProxy(stage, {
      name,
      env: { XDS_ADDRESS: '', LOCAL_XDS_PATH: fileInside },
      files: { [fileInside]: file }
    })
  } finally {
    rmSync(directory, { recursive: true })
  }
}
