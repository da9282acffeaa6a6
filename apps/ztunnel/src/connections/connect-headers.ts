import { type Baggage, createTraceparent, formatBaggage, formatForwarded, type WorkloadType } from '@culvert/hbone'
import type { Endpoint, HeaderField } from '@culvert/tunnel'
import type { Workload } from '@culvert/workloads'
import { describeWorkload } from '../routing/index.ts'

/** The regular header lines of a CONNECT, in order (docs/spec/hbone.md 1.3). */
export function connectHeaders(
  source: Workload,
  application: Endpoint,
  serviceHost: string | undefined
): readonly HeaderField[] {
  return [
    ['baggage', workloadBaggage(source)],
    ['forwarded', formatForwarded(application, serviceHost)],
    ['traceparent', createTraceparent()]
  ]
}

const baggages = new WeakMap<Workload, string>()

/** Formatted once for each record of a workload, as every connection says it. */
export function workloadBaggage(workload: Workload): string {
  let baggage = baggages.get(workload)
  if (baggage === undefined) {
    baggage = formatWorkloadBaggage(workload)
    baggages.set(workload, baggage)
  }
  return baggage
}

function formatWorkloadBaggage(workload: Workload): string {
  const described = describeWorkload(workload)
  const baggage: Baggage = {
    clusterName: described.cluster,
    namespace: described.namespace,
    workloadType: isWorkloadType(described.workloadType) ? described.workloadType : undefined,
    workloadName: described.workloadName,
    serviceName: described.canonicalName,
    serviceVersion: described.canonicalRevision,
    region: described.region,
    zone: described.zone
  }
  return formatBaggage(baggage)
}

const isWorkloadType = (text: string): text is WorkloadType => ['deployment', 'cronjob', 'pod', 'job'].includes(text)
