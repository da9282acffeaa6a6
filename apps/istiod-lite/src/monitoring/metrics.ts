import type { CertificateResult } from '@culvert/certificates'
import { createMetrics, type Metrics } from '@culvert/telemetry'
import { addressTypeUrl, authorizationTypeUrl } from '@culvert/workloads'

/** docs/spec/observability-dns.md section 9: the names that dashboards know. */
export interface IstiodMetrics {
  readonly registry: Metrics
  clients(count: number): void
  pushed(typeUrl: string): void
  rejected(typeUrl: string): void
  expiredNonce(): void
  /** One push of changes that were gathered for so long. */
  debounced(milliseconds: number): void
  event(kind: string, event: 'add' | 'update' | 'delete'): void
  certificate(result: CertificateResult): void
  csr(): void
  rootExpiry(at: Date): void
}

const types: Readonly<Record<string, string>> = { [addressTypeUrl]: 'wds', [authorizationTypeUrl]: 'wads' }
const typeLabel = (url: string): string => types[url] ?? 'unknown'
const pushBuckets = [0.01, 0.1, 0.5, 1, 3, 5, 10, 20, 30]

export function createIstiodMetrics(version: string): IstiodMetrics {
  const registry = createMetrics()
  const started = Date.now()
  registry
    .gauge({ name: 'pilot_info', help: 'Pilot version and build information', labels: ['version'] })
    .set(1, [['version', version]])
  registry.gauge({ name: 'istio_build', help: 'Istio component build info', labels: ['component', 'tag'] }).set(1, [
    ['component', 'pilot'],
    ['tag', version]
  ])
  registry.gauge({
    name: 'istiod_uptime_seconds',
    help: 'Current istiod server uptime in seconds',
    collect: () => (Date.now() - started) / 1000
  })
  const clients = registry.gauge({
    name: 'pilot_xds',
    help: 'Number of endpoints connected to this pilot using XDS',
    labels: ['version']
  })
  const pushes = registry.counter({
    name: 'pilot_xds_pushes',
    help: 'Pilot build and send errors and pushes by type',
    labels: ['type']
  })
  const rejects = registry.counter({
    name: 'pilot_total_xds_rejects',
    help: 'Total number of XDS responses rejected by proxies',
    labels: ['type']
  })
  const expired = registry.counter({
    name: 'pilot_xds_expired_nonce',
    help: 'Total number of XDS requests with an expired nonce'
  })
  const triggers = registry.counter({
    name: 'pilot_push_triggers',
    help: 'Total number of times a push was triggered, labeled by reason',
    labels: ['type']
  })
  const debounce = registry.histogram({
    name: 'pilot_debounce_time',
    help: 'Delay in seconds between the first config enters debouncing and the merged push request is pushed',
    buckets: pushBuckets
  })
  const events = registry.counter({
    name: 'pilot_k8s_reg_events',
    help: 'Events from the Kubernetes registry',
    labels: ['type', 'event']
  })
  const csrs = registry.counter({ name: 'citadel_server_csr_count', help: 'The number of CSRs received' })
  const issued = registry.counter({
    name: 'citadel_server_success_cert_issuance_count',
    help: 'The number of certificates issued'
  })
  const unauthenticated = registry.counter({
    name: 'citadel_server_authentication_failure_count',
    help: 'The number of authentication failures'
  })
  const failures = registry.counter({
    name: 'citadel_server_csr_sign_err_count',
    help: 'The number of errors occurred when signing the CSR',
    labels: ['error']
  })
  const rootTimestamp = registry.gauge({
    name: 'citadel_server_root_cert_expiry_timestamp',
    help: 'The unix timestamp, in seconds, when the root certificate expires'
  })
  return {
    registry,
    clients: count => clients.set(count, [['version', version]]),
    pushed: url => pushes.add(1, [['type', typeLabel(url)]]),
    rejected: url => rejects.add(1, [['type', typeLabel(url)]]),
    expiredNonce: () => expired.add(1),
    debounced(milliseconds) {
      triggers.add(1, [['type', 'ambient']])
      debounce.observe(milliseconds / 1000)
    },
    event: (kind, event) =>
      events.add(1, [
        ['type', kind],
        ['event', event]
      ]),
    csr: () => csrs.add(1),
    certificate(result) {
      if (result.kind === 'issued') issued.add(1)
      else if (result.kind === 'unauthenticated') unauthenticated.add(1)
      else failures.add(1, [['error', result.code]])
    },
    rootExpiry: at => rootTimestamp.set(Math.floor(at.getTime() / 1000))
  }
}
