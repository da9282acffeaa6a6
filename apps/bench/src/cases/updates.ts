import { setTimeout } from 'node:timers/promises'
import {
  addressTypeUrl,
  type AddressMessage,
  encodeAddress,
  type ResourceMessage,
  resourceVersion
} from '@culvert/workloads'
import { watchTurns } from '../measure/pauses.ts'
import { processTree } from '../measure/processes.ts'
import { threadMicroseconds } from '../measure/thread-cpu.ts'
import { median } from '../statistics.ts'
import { startLoneProxy } from '../world/lone-proxy.ts'
import { discoveryAddress, playDiscovery } from '../world/played-discovery.ts'
import type { ClusterCase, RunOptions } from './case.ts'

const workloadCount = ({ quick }: RunOptions): number => (quick ? 2_000 : 100_000)
const updateCount = ({ quick }: RunOptions): number => (quick ? 50 : 1_000)
const perService = 100

/** A mesh by discovery, of which one workload changes after another, and which then comes once more as a whole. */
export const updates: ClusterCase = {
  kind: 'cluster',
  name: 'updates',
  title: 'Changes of one among 100,000 workloads, by discovery',
  metrics: [
    { name: 'updates-cpu', title: 'CPU of the proxy, all threads', unit: 'µs each', better: 'less', limit: 1_000 },
    { name: 'updates-answer', title: 'from the change to its acknowledgement, median', unit: 'ms', better: 'less' },
    {
      name: 'updates-pause',
      title: 'longest turn of the decision thread meanwhile',
      unit: 'ms',
      better: 'less',
      limit: 20
    },
    { name: 'updates-pause-wait', title: '… of it waiting for a processor', unit: 'ms', better: 'less' },
    { name: 'updates-pause-work', title: '… the most of one on a processor', unit: 'ms', better: 'less' },
    { name: 'updates-again', title: 'the whole mesh again, after a reconnect', unit: 's', better: 'less' },
    { name: 'updates-again-pause', title: '… longest turn', unit: 'ms', better: 'less' },
    { name: 'updates-again-wait', title: '… of it waiting for a processor', unit: 'ms', better: 'less' },
    { name: 'updates-again-work', title: '… the most of one on a processor', unit: 'ms', better: 'less' }
  ],
  direct: false,
  duration: ({ quick }) => (quick ? 10 : 40),
  run: async (stage, options) => {
    const count = workloadCount(options)
    const mesh = Array.from({ length: count }, (_, i) => resource(workload(i, 0)))
    for (let i = 0; i * perService < count; i++) mesh.push(resource(service(i)))
    await using discovery = await playDiscovery(typeUrl => (typeUrl === addressTypeUrl ? mesh : []))
    await using proxy = await startLoneProxy(stage, {
      name: 'updates',
      env: { XDS_ADDRESS: discoveryAddress, XDS_ROOT_CA: discovery.roots },
      onRunning: netns => discovery.listen(netns)
    })
    await setTimeout(options.quick ? 500 : 5_000)
    const change = (round: number): Promise<void> =>
      discovery.send(addressTypeUrl, [resource(workload((round * 7_919) % count, round))])
    let round = 0
    for (; round < 50; round++) await change(round)
    const times: number[] = []
    const pids = processTree(proxy.pid)
    const before = threadMicroseconds(pids)
    for (let i = 0; i < updateCount(options); i++) {
      const started = performance.now()
      await change(round++)
      times.push(performance.now() - started)
    }
    const values = {
      'updates-cpu': (threadMicroseconds(pids) - before) / times.length,
      'updates-answer': median(times)
    }
    if (!proxy.hasProbe) return { ...values, 'updates-again': await timed(discovery.reconnect) }
    const stop = await watchTurns(proxy.pid)
    for (let i = 0; i < updateCount(options); i++) await change(round++)
    const turns = await stop()
    const stopAgain = await watchTurns(proxy.pid)
    const again = await timed(discovery.reconnect)
    const turnsAgain = await stopAgain()
    return {
      ...values,
      'updates-pause': turns.pause,
      'updates-pause-wait': turns.wait,
      'updates-pause-work': turns.work,
      'updates-again': again,
      'updates-again-pause': turnsAgain.pause,
      'updates-again-wait': turnsAgain.wait,
      'updates-again-work': turnsAgain.work
    }
  }
}

/** Seconds. */
async function timed(work: () => Promise<void>): Promise<number> {
  const started = performance.now()
  await work()
  return (performance.now() - started) / 1_000
}

const hostname = (i: number): string => `service-${i}.shop.svc.cluster.local`
const ip = (network: number, i: number): Buffer => Buffer.of(network, (i >> 16) & 255, (i >> 8) & 255, i & 255)

/** Every second round it is out of its service, and each time on another node. */
const workload = (i: number, round: number): AddressMessage => ({
  workload: {
    uid: `Kubernetes//Pod/shop/pod-${i}`,
    name: `pod-${i}`,
    namespace: 'shop',
    serviceAccount: `account-${i % 1_000}`,
    addresses: [ip(11, i)],
    tunnelProtocol: 1,
    node: `other-${(i + round) % 500}`,
    canonicalName: `app-${i % 1_000}`,
    canonicalRevision: 'v1',
    workloadName: `app-${i % 1_000}`,
    status: round % 2,
    services: { [`shop/${hostname(Math.floor(i / perService))}`]: { ports: [{ servicePort: 80, targetPort: 8080 }] } }
  }
})

const service = (i: number): AddressMessage => ({
  service: {
    name: `service-${i}`,
    namespace: 'shop',
    hostname: hostname(i),
    addresses: [{ address: ip(12, i) }],
    ports: [{ servicePort: 80, targetPort: 8080 }]
  }
})

function resource(message: AddressMessage): ResourceMessage {
  const value = encodeAddress(message)
  const { workload: pod, service: named } = message
  const name = pod?.uid ?? `${named?.namespace}/${named?.hostname}`
  return { name, version: resourceVersion(value), resource: { typeUrl: addressTypeUrl, value } }
}
