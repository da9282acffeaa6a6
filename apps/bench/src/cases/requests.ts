import { withProxyCpu } from '../measure/proxy-cpu.ts'
import { askServer } from './ask-server.ts'
import type { ClusterCase, Metric } from './case.ts'

const connectionCounts = [1, 64, 1000]

/** The ratios to reach; the others are for information. */
const targets: Record<string, Metric['target']> = {
  'rps-1-p50': { machine: 0.9, reno: 0.9 },
  'rps-64': { machine: 1.5, reno: 1.5 },
  'rps-64-p99': { machine: 0.8, reno: 0.8 },
  'rps-64-cpu': { machine: 0.55, reno: 0.55 },
  'rps-1000': { machine: 1.5, reno: 1.5 },
  'rps-1000-cpu': { machine: 0.55, reno: 0.55 }
}

const metrics = connectionCounts.flatMap(count => {
  const metric = (suffix: string, title: string, unit: string, better: Metric['better']): Metric => {
    const name = `rps-${count}${suffix}`
    const target = targets[name]
    return { name, title, unit, better, ...(target && { target }) }
  }
  return [
    metric('', `${count} connection${count === 1 ? '' : 's'}`, 'requests/s', 'more'),
    metric('-p50', '… p50', 'µs', 'less'),
    metric('-p90', '… p90', 'µs', 'less'),
    metric('-p99', '… p99', 'µs', 'less'),
    metric('-cpu', '… CPU, both proxies', 'µs/request', 'less'),
    metric('-cpu-sending', '… the client’s proxy', 'µs/request', 'less'),
    metric('-cpu-receiving', '… the server’s proxy', 'µs/request', 'less')
  ]
})

/** Small requests on connections that stay. */
export const requests: ClusterCase = {
  kind: 'cluster',
  name: 'rps',
  title: 'Requests on keep-alive connections (wrk)',
  metrics,
  direct: true,
  duration: ({ seconds }) => connectionCounts.length * (seconds + 2.5),
  run: async (stage, { seconds }) => {
    const values: Record<string, number> = {}
    for (const connections of connectionCounts) {
      await askServer(stage, { connections, seconds: 1 })
      const { result, cpu } = await withProxyCpu(stage, () => askServer(stage, { connections, seconds }))
      values[`rps-${connections}`] = result.requests / (result.microseconds / 1e6)
      for (const percentile of ['p50', 'p90', 'p99'] as const) {
        values[`rps-${connections}-${percentile}`] = result[percentile]
      }
      if (cpu === undefined) continue
      values[`rps-${connections}-cpu`] = ((cpu.sending + cpu.receiving) * 1e6) / result.requests
      values[`rps-${connections}-cpu-sending`] = (cpu.sending * 1e6) / result.requests
      values[`rps-${connections}-cpu-receiving`] = (cpu.receiving * 1e6) / result.requests
    }
    return values
  }
}
