import type { Counter, Gauge, Metrics } from '@culvert/telemetry'

/** The connection families of docs/spec/observability-dns.md 5.2. */
export interface TrafficMetrics {
  readonly opened: Counter
  readonly closed: Counter
  readonly failed: Counter
  readonly received: Counter
  readonly sent: Counter
  readonly onDemandDns: Counter
  readonly revoked: Counter
  /** Stays at nothing: while lists are followed, the engine keeps every peer's path. */
  readonly untracked: Counter
  readonly sockets: Gauge
}

const labels = ['reporter', 'source_workload', 'response_flags']

export function declareTrafficMetrics(metrics: Metrics): TrafficMetrics {
  const counter = (name: string, help: string): Counter => metrics.counter({ name, help, labels })
  return {
    opened: counter('istio_tcp_connections_opened', 'The total number of TCP connections opened.'),
    closed: counter('istio_tcp_connections_closed', 'The total number of TCP connections closed.'),
    received: counter('istio_tcp_received_bytes', 'The bytes received from clients by servers over TCP.'),
    sent: counter('istio_tcp_sent_bytes', 'The bytes sent to clients by servers over TCP.'),
    onDemandDns: counter('istio_on_demand_dns', 'Lookups for workloads known by hostname only (unstable).'),
    revoked: metrics.counter({
      name: 'istio_crl_policy_rejections',
      help: 'Tunnels refused or ended because the certificate of their peer was revoked.',
      labels: ['reporter']
    }),
    untracked: metrics.counter({
      name: 'istio_crl_untracked_connections',
      help: 'Connections whose certificates cannot be looked at again when revocation lists change (unstable).',
      labels: ['reporter']
    }),
    failed: counter('istio_tcp_connections_failed', 'The total number of TCP connections that failed (unstable).'),
    sockets: metrics.gauge({
      name: 'istio_tcp_sockets_open',
      help: 'The number of accepted sockets that are open (unstable).',
      labels: ['reporter']
    })
  }
}
