import type { ConnectionId, Outcome, Progress } from '@culvert/tunnel'
import type { AccessEntry, AccessLog } from './access-log.ts'
import { type ConnectionError, connectionError } from './failure-text.ts'
import type { TrafficMetrics } from './traffic-metrics.ts'
import { createTrafficSeries, type TrafficSeries } from './traffic-series.ts'

/** The live connections that have labels: their log lines and counters (docs/spec/observability-dns.md 5.4). */
export interface ConnectionRecords {
  /** Logs the opening and counts it. */
  readonly open: (id: ConnectionId, entry: AccessEntry) => void
  readonly progress: (batch: readonly Progress[]) => void
  /** Ends a record that the data path never got to see succeed. */
  readonly reject: (id: ConnectionId, error: ConnectionError) => void
  /** Does nothing when there is no such record: refused early or ended before. */
  readonly close: (outcome: Outcome) => void
}

interface Record {
  readonly entry: AccessEntry
  readonly openedAt: number
  readonly series: TrafficSeries
}

export function createConnectionRecords(options: {
  readonly accessLog: AccessLog
  readonly metrics: TrafficMetrics
}): ConnectionRecords {
  const { accessLog, metrics } = options
  const records = new Map<ConnectionId, Record>()
  const seriesOf = createTrafficSeries(metrics)

  const finish = (
    record: Record,
    ending: { fromClient: number; toClient: number; duration: number },
    error: ConnectionError | undefined
  ): void => {
    const series = seriesOf(record.entry.traffic, error?.flag ?? '-')
    series.closed.add(1)
    if (error !== undefined && error.flag !== '-') series.failed.add(1)
    accessLog.complete(record.entry, { ...ending, error: error?.text })
  }

  return {
    open: (id, entry) => {
      const series = seriesOf(entry.traffic, '-')
      series.opened.add(1)
      // Asked for here so that they show 0 before the first byte.
      series.received.add(0)
      series.sent.add(0)
      records.set(id, { entry, openedAt: performance.now(), series })
      accessLog.opened(entry)
    },
    progress: batch => {
      for (const { id, fromClient, toClient } of batch) {
        const series = records.get(id)?.series
        series?.received.add(fromClient)
        series?.sent.add(toClient)
      }
    },
    reject: (id, error) => {
      const record = records.get(id)
      if (record === undefined) return
      records.delete(id)
      finish(record, { fromClient: 0, toClient: 0, duration: performance.now() - record.openedAt }, error)
    },
    close: outcome => {
      const record = records.get(outcome.id)
      if (record === undefined) return
      records.delete(outcome.id)
      finish(record, outcome, outcome.failure && connectionError(outcome.failure))
    }
  }
}
