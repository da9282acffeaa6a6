import { setTimeout } from 'node:timers/promises'
import { type Netns, openNetns, run } from '@culvert/netns'
import { BenchError } from '../errors.ts'
import { withProxyCpu } from '../measure/proxy-cpu.ts'
import { namespace } from '../world/manifests.ts'
import { createPolicies, removePolicies } from '../world/many-policies.ts'
import type { Stage } from '../world/stage.ts'
import { askServer } from './ask-server.ts'
import type { ClusterCase, RunOptions } from './case.ts'

const policyCount = ({ quick }: RunOptions): number => (quick ? 50 : 1_000)
const concurrent = 16

/** Connections to a server in whose namespace there are many policies, none of which speaks of them. */
export const policies: ClusterCase = {
  kind: 'cluster',
  name: 'policies',
  title: 'New connections with 1,000 policies of every kind in the server’s namespace (wrk)',
  metrics: [
    { name: 'policies-none', title: 'CPU of the server’s proxy, without them', unit: 'µs each', better: 'less' },
    { name: 'policies-many', title: '… with them', unit: 'µs each', better: 'less' },
    { name: 'policies-added', title: '… what they add', unit: 'µs each', better: 'less', limit: 20 },
    { name: 'policies-rate', title: 'connections with them', unit: '1/s', better: 'more' }
  ],
  direct: false,
  // The policies of a local file are read once.
  authority: true,
  duration: ({ seconds, quick }) => 3 * (seconds + 2) + (quick ? 5 : 20),
  run: async (stage, options) => {
    const { seconds } = options
    await measure(stage, 1)
    const before = await measure(stage, seconds)
    const known = await policiesOf(stage)
    const count = policyCount(options)
    let many: Measurement
    try {
      await createPolicies(stage.cluster, namespace, count)
      await until(stage, known + count)
      await measure(stage, 1)
      many = await measure(stage, seconds)
    } finally {
      await removePolicies(stage.cluster, namespace)
    }
    await until(stage, known)
    await measure(stage, 1)
    const after = await measure(stage, seconds)
    const none = (before.cpu + after.cpu) / 2
    return {
      'policies-none': none,
      'policies-many': many.cpu,
      'policies-added': many.cpu - none,
      'policies-rate': many.rate
    }
  }
}

interface Measurement {
  /** Microseconds per connection. */
  readonly cpu: number
  /** Per second. */
  readonly rate: number
}

async function measure(stage: Stage, seconds: number): Promise<Measurement> {
  const load = { connections: concurrent, seconds, headers: ['Connection: close'] }
  const { result, cpu } = await withProxyCpu(stage, () => askServer(stage, load))
  return {
    cpu: ((cpu?.receiving ?? 0) * 1e6) / result.requests,
    rate: result.requests / (result.microseconds / 1e6)
  }
}

/** Waits until the server's proxy has so many policies. */
async function until(stage: Stage, count: number): Promise<void> {
  const deadline = Date.now() + 60_000
  for (;;) {
    const found = await policiesOf(stage)
    if (found === count) return
    if (Date.now() > deadline) {
      throw new BenchError('BENCH_REFUSED', `the server’s proxy has ${found} policies after 60 s, not ${count}`)
    }
    await setTimeout(200)
  }
}

/** As its own dump says. */
async function policiesOf(stage: Stage): Promise<number> {
  const [pid] = stage.proxies().receiving
  using netns: Netns = openNetns(`/proc/${pid}/ns/net`)
  const { code, stdout, stderr } = await run(netns, 'curl', [
    '-sS',
    '--max-time',
    '10',
    'http://localhost:15000/config_dump'
  ])
  if (code !== 0) throw new BenchError('BENCH_REFUSED', `the proxy’s dump: ${stderr.trim()}`)
  return (JSON.parse(stdout) as { policies: unknown[] }).policies.length
}
