import { type DnsOutcome, queryTypeName } from '@culvert/dns'
import type { Counter, Histogram, Logger, Metrics } from '@culvert/telemetry'
import type { Workload } from '@culvert/workloads'

/** A pod that asks, as the proxy knows it. */
export interface AskingPod {
  readonly namespace: string
  readonly network: string
  readonly workload: Workload
}

export interface DnsMetrics {
  readonly requests: Counter
  readonly upstreamRequests: Counter
  readonly upstreamFailures: Counter
  readonly upstreamDuration: Histogram
}

const labels = ['request_query_type', 'request_protocol', 'source_canonical_service', 'source_canonical_revision']

export function declareDnsMetrics(metrics: Metrics): DnsMetrics {
  return {
    requests: metrics.counter({ name: 'istio_dns_requests', help: 'DNS queries received (unstable).', labels }),
    upstreamRequests: metrics.counter({
      name: 'istio_dns_upstream_requests',
      help: 'DNS queries forwarded (unstable).',
      labels
    }),
    upstreamFailures: metrics.counter({
      name: 'istio_dns_upstream_failures',
      help: 'DNS queries forwarded without getting records (unstable).',
      labels
    }),
    upstreamDuration: metrics.histogram({
      name: 'istio_dns_upstream_request_duration_seconds',
      help: 'How long forwarded DNS queries took (unstable).',
      unit: 'seconds',
      labels,
      buckets: [0.0005, 0.001, 0.01, 0.1, 1, 5]
    })
  }
}

/** Counts one answered question and logs it; docs/spec/observability-dns.md 4.1 and 5.6. */
export function observeDns(log: Logger, metrics: DnsMetrics | undefined): (outcome: DnsOutcome<AskingPod>) => void {
  return outcome => {
    const { client, type, protocol, upstream } = outcome
    const pairs = [
      ['request_query_type', queryTypeName(type).toLowerCase()],
      ['request_protocol', protocol],
      ['source_canonical_service', client?.workload.canonicalName || 'unknown'],
      ['source_canonical_revision', client?.workload.canonicalRevision || 'unknown']
    ] as const
    metrics?.requests.add(1, pairs)
    if (upstream !== undefined) {
      metrics?.upstreamRequests.add(1, pairs)
      if (upstream.failed) metrics?.upstreamFailures.add(1, pairs)
      metrics?.upstreamDuration.observe(upstream.duration / 1_000, pairs)
    }
    if (client === undefined) return
    log.debug(undefined, [
      ['src.workload', client.workload.name || 'unknown'],
      ['src.namespace', client.namespace],
      ['query', queryTypeName(type)],
      ['domain', outcome.domain],
      ['result', outcome.result],
      ['endpoints', outcome.endpoints]
    ])
  }
}
