import { BenchError } from '../errors.ts'
import type { WrkResult } from '../load/wrk.ts'
import { withProxyCpu } from '../measure/proxy-cpu.ts'
import type { Stage } from '../world/stage.ts'
import { askServer } from './ask-server.ts'
import type { ClusterCase } from './case.ts'

const concurrent = 64

/** A connection for each request: a decision, a stream, a log line on both nodes. Tunnels stay. */
export const connections: ClusterCase = {
  kind: 'cluster',
  name: 'connections',
  title: `New connections, ${concurrent} at a time, one request each (wrk)`,
  metrics: [
    { name: 'connections', title: 'connections', unit: '1/s', better: 'more', target: { machine: 1.25, reno: 1.25 } },
    { name: 'connections-p50', title: '… request p50', unit: 'µs', better: 'less' },
    { name: 'connections-p99', title: '… request p99', unit: 'µs', better: 'less' },
    { name: 'connections-cpu', title: '… CPU, both proxies', unit: 'µs each', better: 'less' },
    { name: 'connections-cpu-sending', title: '… the client’s proxy', unit: 'µs each', better: 'less' },
    { name: 'connections-cpu-receiving', title: '… the server’s proxy', unit: 'µs each', better: 'less' }
  ],
  direct: true,
  duration: ({ seconds }) => seconds + 2.5,
  run: async (stage, { seconds }) => {
    await open(stage, 1)
    const { result, cpu } = await withProxyCpu(stage, () => open(stage, seconds))
    const values: Record<string, number> = {
      connections: result.requests / (result.microseconds / 1e6),
      'connections-p50': result.p50,
      'connections-p99': result.p99
    }
    if (cpu === undefined) return values
    await logged(stage)
    values['connections-cpu'] = ((cpu.sending + cpu.receiving) * 1e6) / result.requests
    values['connections-cpu-sending'] = (cpu.sending * 1e6) / result.requests
    values['connections-cpu-receiving'] = (cpu.receiving * 1e6) / result.requests
    return values
  }
}

const open = (stage: Stage, seconds: number): Promise<WrkResult> =>
  askServer(stage, { connections: concurrent, seconds, headers: ['Connection: close'] })

/** A proxy that saves itself the access log would be fast. */
async function logged(stage: Stage): Promise<void> {
  for (const [side, log] of Object.entries(await stage.proxyLogs(20))) {
    if (!/access.*connection complete/.test(log)) {
      throw new BenchError('BENCH_REFUSED', `the log of the ${side} proxy ends without connections: ${log.slice(-500)}`)
    }
  }
}
