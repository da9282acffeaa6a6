import { setTimeout } from 'node:timers/promises'
import { openConnections } from '../load/open-connections.ts'
import { type Memory, memoryOf } from '../measure/memory.ts'
import { httpPort, namespace } from '../world/manifests.ts'
import type { Side, Stage } from '../world/stage.ts'
import { askServer } from './ask-server.ts'
import type { ClusterCase, Metric, RunOptions } from './case.ts'
import { restSeconds } from './rest-seconds.ts'

const megabyte = 1e6
const counts = [1_000, 10_000]
const settleSeconds = ({ quick }: RunOptions): number => (quick ? 1 : 5)
const warmUpSeconds = 2

const growth = counts.flatMap((count): Metric[] => [
  {
    name: `memory-${count}`,
    title: `added by ${count} open connections, both proxies`,
    unit: 'MB',
    better: 'less',
    target: { machine: 0.5 }
  },
  { name: `memory-${count}-sending`, title: '… the client’s proxy', unit: 'MB', better: 'less' },
  { name: `memory-${count}-receiving`, title: '… the server’s proxy', unit: 'MB', better: 'less' }
])

/** Fresh proxies: at rest with 10 workloads and one pod, then with connections that carried a request and stay open. */
export const memory: ClusterCase = {
  kind: 'cluster',
  name: 'memory',
  title: 'Memory, proportional set size of all processes of a proxy',
  metrics: [
    { name: 'memory-idle', title: 'idle, the client’s proxy', unit: 'MB', better: 'less', limit: 55 },
    { name: 'memory-idle-private', title: '… of it private', unit: 'MB', better: 'less' },
    { name: 'memory-idle-resident', title: '… resident, shared pages in full', unit: 'MB', better: 'less' },
    ...growth
  ],
  direct: false,
  duration: options => warmUpSeconds + (counts.length + 1) * settleSeconds(options) + 10,
  rest: { prepare: stage => stage.restartProxies(), duration: 5, seconds: restSeconds },
  run: async (stage, options) => {
    const idle = memoryOf(stage.proxies().sending)
    const values: Record<string, number> = {
      'memory-idle': idle.proportional / megabyte,
      'memory-idle-private': idle.private / megabyte,
      'memory-idle-resident': idle.resident / megabyte
    }
    // What the first connections cost a proxy, whatever becomes of them, is not theirs.
    // Some hundred connections one after another: no two are open at a time.
    await askServer(stage, { connections: 1, seconds: warmUpSeconds, headers: ['Connection: close'] })
    await setTimeout(settleSeconds(options) * 1_000)
    const before = proxyMemory(stage)
    using netns = stage.cluster.pods.netns({ namespace, name: 'client' })
    using connections = openConnections(netns, { ip: stage.serverIp, port: httpPort })
    for (const count of counts) {
      await connections.grow(count)
      await setTimeout(settleSeconds(options) * 1_000)
      const now = proxyMemory(stage)
      const added = (side: Side): number => (now[side].proportional - before[side].proportional) / megabyte
      values[`memory-${count}-sending`] = added('sending')
      values[`memory-${count}-receiving`] = added('receiving')
      values[`memory-${count}`] = added('sending') + added('receiving')
    }
    await connections.grow(counts.at(-1)!) // still all there
    return values
  }
}

function proxyMemory(stage: Stage): Record<Side, Memory> {
  const { sending, receiving } = stage.proxies()
  return { sending: memoryOf(sending), receiving: memoryOf(receiving) }
}
