import { iperf3Command, type Iperf3Result, parseIperf3 } from '../load/iperf3.ts'
import { withProxyCpu } from '../measure/proxy-cpu.ts'
import { iperfPort } from '../world/manifests.ts'
import type { Stage } from '../world/stage.ts'
import type { ClusterCase, Metric, RunOptions } from './case.ts'

const gib = 2 ** 30

const variants = [
  { name: '1', title: '1 connection', connections: 1, reverse: false },
  { name: '8', title: '8 connections', connections: 8, reverse: false },
  { name: 'reverse', title: '1 connection, the server sends', connections: 1, reverse: true }
]

const metrics = variants.flatMap(({ name, title }): Metric[] => [
  {
    name: `throughput-${name}`,
    title,
    unit: 'Gbit/s',
    better: 'more',
    target: { machine: 1.25, reno: 1.5 }
  },
  {
    name: `throughput-${name}-cpu`,
    title: '… CPU, both proxies',
    unit: 's/GiB',
    better: 'less',
    target: { machine: 0.75, reno: 0.7 }
  },
  { name: `throughput-${name}-cpu-sending`, title: '… the client’s proxy', unit: 's/GiB', better: 'less' },
  { name: `throughput-${name}-cpu-receiving`, title: '… the server’s proxy', unit: 's/GiB', better: 'less' }
])

/** Bulk bytes through established connections. */
export const throughput: ClusterCase = {
  kind: 'cluster',
  name: 'throughput',
  title: 'Throughput (iperf3)',
  metrics,
  direct: true,
  duration: ({ seconds }) => variants.length * (seconds + 2),
  run: async (stage, options) => {
    const values: Record<string, number> = {}
    for (const { name, connections, reverse } of variants) {
      await transfer(stage, { connections, reverse, seconds: 1 }) // windows, tunnels and buffers grow
      const { result, cpu } = await withProxyCpu(stage, () =>
        transfer(stage, { connections, reverse, seconds: options.seconds })
      )
      const { bytes, seconds } = result
      values[`throughput-${name}`] = (bytes * 8) / seconds / 1e9
      if (cpu === undefined) continue
      values[`throughput-${name}-cpu`] = (cpu.sending + cpu.receiving) / (bytes / gib)
      values[`throughput-${name}-cpu-sending`] = cpu.sending / (bytes / gib)
      values[`throughput-${name}-cpu-receiving`] = cpu.receiving / (bytes / gib)
    }
    return values
  }
}

async function transfer(
  stage: Stage,
  options: { connections: number; reverse: boolean; seconds: RunOptions['seconds'] }
): Promise<Iperf3Result> {
  const command = iperf3Command({ host: stage.serverIp, port: iperfPort, ...options })
  // Its error is in its report.
  const { stdout } = await stage.inClient(command, (options.seconds + 30) * 1_000)
  return parseIperf3(stdout, options)
}
