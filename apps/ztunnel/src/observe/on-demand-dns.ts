import type { LabelPairs } from '@culvert/telemetry'
import { type Workload, workloadIdentity } from '@culvert/workloads'
import { describeWorkload } from '../routing/index.ts'

/** docs/spec/observability-dns.md 5.5. */
export function onDemandDnsLabels(source: Workload, hostname: string): LabelPairs {
  const described = describeWorkload(source)
  const pairs: LabelPairs = [
    ['source_workload', described.workloadName],
    ['source_canonical_service', described.canonicalName],
    ['source_canonical_revision', described.canonicalRevision],
    ['source_workload_namespace', described.namespace],
    ['source_principal', workloadIdentity(source)],
    ['source_app', described.canonicalName],
    ['source_version', described.canonicalRevision],
    ['source_cluster', described.cluster],
    ['hostname', hostname]
  ]
  return pairs.map(([name, value]) => [name, value || 'unknown'] as const)
}
