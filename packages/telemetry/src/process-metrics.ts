import { readdirSync, readFileSync } from 'node:fs'
import type { Metrics } from './metrics.ts'

/** `process_open_fds` and `process_max_fds`, docs/spec/observability-dns.md 5.2. */
export function declareProcessMetrics(metrics: Metrics): void {
  metrics.gauge({
    name: 'process_open_fds',
    help: 'Number of open file descriptors',
    // Without the one that lists them.
    collect: () => readdirSync('/proc/self/fd').length - 1
  })
  metrics.gauge({ name: 'process_max_fds', help: 'Maximum number of file descriptors', collect: softFileLimit })
}

function softFileLimit(): number {
  const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]
  return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit)
}
