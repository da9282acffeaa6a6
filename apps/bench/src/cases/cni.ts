import { buildPlugin } from '@culvert/cni-plugin/build'
import { addFor, ambientLabel, configFor, startNode } from '@culvert/cni-plugin/testing'
import { BenchError } from '../errors.ts'
import { median } from '../statistics.ts'
import type { LocalCase } from './case.ts'

/** Executions of the plugin in one run, of each kind. */
const additions = 10

const kinds = [
  // Every pod of a node waits for the plugin, also those that are none of our business.
  { name: 'cni-excluded', title: 'excluded namespace', namespace: 'kube-system', pod: 'any', requests: 0, events: 0 },
  { name: 'cni-plain', title: 'unlabelled pod', namespace: 'shop', pod: 'plain', requests: 2, events: 0 },
  { name: 'cni-ambient', title: 'ambient pod', namespace: 'mesh', pod: 'ambient', requests: 2, events: 1 }
]

const prevResult = {
  cniVersion: '1.0.0',
  interfaces: [{ name: 'cbr' }, { name: 'veth7f3a' }, { name: 'eth0', sandbox: '/var/run/netns/cni-5b2e' }],
  ips: [{ address: '10.42.3.17/24', gateway: '10.42.3.1', interface: 2 }]
}

/**
 * How long `istio-cni` takes for one ADD, start of the process included, against an HTTPS API endpoint and an agent
 * socket on this machine that answer at once.
 */
export const cni: LocalCase = {
  kind: 'local',
  name: 'cni',
  title: 'One ADD of the CNI plugin, process start included',
  metrics: kinds.map(({ name, title }) => ({
    name,
    title,
    unit: 'ms',
    better: 'less',
    ...(name === 'cni-excluded' && { limit: 100 })
  })),
  duration: () => (kinds.length * (additions + 1) * 120) / 1_000,
  run: async () => {
    await using node = await startNode(await buildPlugin())
    await node.listen('pluginevent.sock')
    node.pod('shop', 'plain', { spec: { containers: [{ name: 'app' }] } })
    node.pod('mesh', 'ambient', { spec: { containers: [{ name: 'app' }] } }, ambientLabel)
    const config = configFor(node, { prevResult })
    const values: Record<string, number> = {}
    for (const { name, title, namespace, pod, requests, events } of kinds) {
      const env = addFor(namespace, pod)
      await node.run(env, config) // the file cache is warm on a node, too
      const before = { requests: node.requests.length, events: node.events.length }
      const times: number[] = []
      for (let i = 0; i < additions; i++) {
        const run = await node.run(env, config)
        if (run.code !== 0) throw new BenchError('BENCH_REFUSED', `${title}: exit status ${run.code}: ${run.stdout}`)
        times.push(run.milliseconds)
      }
      // A plugin that skips its work would be fast.
      const made = { requests: node.requests.length - before.requests, events: node.events.length - before.events }
      if (made.requests !== requests * additions || made.events !== events * additions) {
        const found = `${made.requests} requests and ${made.events} events in ${additions} executions`
        throw new BenchError('BENCH_REFUSED', `${title}: ${found}`)
      }
      values[name] = median(times)
    }
    return values
  }
}
