import { setTimeout } from 'node:timers/promises'
import { createNetns, type Netns, run } from '@culvert/netns'
import { memoryOf } from '../measure/memory.ts'
import { watchTurns } from '../measure/pauses.ts'
import { processTree } from '../measure/processes.ts'
import { threadMicroseconds } from '../measure/thread-cpu.ts'
import { median } from '../statistics.ts'
import { startLoneProxy } from '../world/lone-proxy.ts'
import type { ClusterCase, RunOptions } from './case.ts'

const podCount = ({ quick }: RunOptions): number => (quick ? 20 : 200)
const settleSeconds = ({ quick }: RunOptions): number => (quick ? 1 : 5)

/** Empty network namespaces, handed over one after another by a node agent that does nothing else. */
export const addedPods: ClusterCase = {
  kind: 'cluster',
  name: 'pods',
  title: 'Pods handed over one after another, up to 200 (ZDS)',
  metrics: [
    { name: 'pods-add', title: 'from the request to the answer, median', unit: 'ms', better: 'less', limit: 2 },
    { name: 'pods-add-max', title: '… the slowest', unit: 'ms', better: 'less' },
    { name: 'pods-pause', title: 'longest turn of the decision thread', unit: 'ms', better: 'less', limit: 20 },
    { name: 'pods-pause-wait', title: '… of it waiting for a processor', unit: 'ms', better: 'less' },
    { name: 'pods-pause-work', title: '… the most of one on a processor', unit: 'ms', better: 'less' },
    { name: 'pods-cpu', title: 'CPU of the proxy, all threads', unit: 'µs each', better: 'less' },
    { name: 'pods-memory', title: 'memory of each idle pod', unit: 'kB', better: 'less', limit: 100 }
  ],
  direct: false,
  duration: options => 2 * settleSeconds(options) + 8,
  run: async (stage, options) => {
    const count = podCount(options)
    await using proxy = await startLoneProxy(stage, { name: 'pods' })
    const namespaces: Netns[] = []
    try {
      const addOne = async (): Promise<number> => {
        const netns = createNetns()
        namespaces.push(netns)
        await run(netns, 'ip', ['link', 'set', 'lo', 'up'])
        const started = performance.now()
        await proxy.addPod(`bench-pod-${namespaces.length}`, netns)
        return performance.now() - started
      }
      const proportional = async (): Promise<number> => {
        await setTimeout(settleSeconds(options) * 1_000)
        return memoryOf(processTree(proxy.pid)).proportional
      }
      await addOne() // what the first brings is not each one's
      const before = await proportional()
      // Half of them unwatched: looking at every turn costs processor time too.
      const half = count / 2
      const cpuBefore = threadMicroseconds(processTree(proxy.pid))
      const times: number[] = []
      while (times.length < half) times.push(await addOne())
      const cpu = threadMicroseconds(processTree(proxy.pid)) - cpuBefore
      const stop = proxy.hasProbe ? await watchTurns(proxy.pid) : undefined
      while (times.length < count) times.push(await addOne())
      const turns = await stop?.()
      return {
        'pods-add': median(times.slice(0, half)),
        'pods-add-max': Math.max(...times),
        ...(turns && { 'pods-pause': turns.pause, 'pods-pause-wait': turns.wait, 'pods-pause-work': turns.work }),
        'pods-cpu': cpu / half,
        'pods-memory': ((await proportional()) - before) / count / 1_000
      }
    } finally {
      for (const netns of namespaces) netns[Symbol.dispose]()
    }
  }
}
