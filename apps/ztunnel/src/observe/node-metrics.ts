import { type Counter, declareProcessMetrics, type Gauge, type Metrics } from '@culvert/telemetry'
import { declareDnsMetrics, type DnsMetrics } from './dns-metrics.ts'
import { declareTrafficMetrics, type TrafficMetrics } from './traffic-metrics.ts'

/** Every family of docs/spec/observability-dns.md 5.2, declared in the order they are shown. */
export interface NodeMetrics {
  readonly traffic: TrafficMetrics
  readonly xds: { readonly terminations: Counter; readonly messages: Counter; readonly bytes: Counter }
  /** Undefined: the DNS proxy is off. */
  readonly dns: DnsMetrics | undefined
  /** Undefined in dedicated mode. */
  readonly pods: PodMetrics | undefined
}

export interface PodMetrics {
  readonly active: Gauge
  readonly pending: Gauge
  readonly started: Counter
  readonly stopped: Counter
}

export function declareNodeMetrics(
  metrics: Metrics,
  options: { readonly istioVersion: string; readonly dns: boolean; readonly shared: boolean }
): NodeMetrics {
  declareProcessMetrics(metrics)
  const build = metrics.gauge({
    name: 'istio_build',
    help: 'Istio component build info.',
    labels: ['component', 'tag']
  })
  build.set(1, [
    ['component', 'ztunnel'],
    ['tag', options.istioVersion]
  ])
  const xds = {
    terminations: metrics.counter({
      name: 'istio_xds_connection_terminations',
      help: 'XDS streams that ended, by reason (unstable).',
      labels: ['reason']
    }),
    messages: metrics.counter({
      name: 'istio_xds_message',
      help: 'XDS responses received (unstable).',
      labels: ['url']
    }),
    bytes: metrics.counter({
      name: 'istio_xds_message_bytes',
      help: 'Bytes of XDS resources received (unstable).',
      unit: 'bytes',
      labels: ['url']
    })
  }
  const traffic = declareTrafficMetrics(metrics)
  const dns = options.dns ? declareDnsMetrics(metrics) : undefined
  const pods = options.shared ? declarePodMetrics(metrics) : undefined
  return { traffic, xds, dns, pods }
}

function declarePodMetrics(metrics: Metrics): PodMetrics {
  return {
    active: metrics.gauge({
      name: 'workload_manager_active_proxy_count',
      help: 'The number of pods whose proxy runs (unstable).'
    }),
    pending: metrics.gauge({
      name: 'workload_manager_pending_proxy_count',
      help: 'The number of pods whose proxy could not be started yet (unstable).'
    }),
    started: metrics.counter({
      name: 'workload_manager_proxies_started',
      help: 'The number of pod proxies started (unstable).'
    }),
    stopped: metrics.counter({
      name: 'workload_manager_proxies_stopped',
      help: 'The number of pod proxies stopped (unstable).'
    })
  }
}
