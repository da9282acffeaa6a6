import type { Baggage } from '@culvert/hbone'
import type { Service, Workload } from '@culvert/workloads'
import { describeWorkload } from '../routing/index.ts'
import type { PeerLabels, ServiceLabels } from './traffic-labels.ts'

export function workloadLabels(workload: Workload, principal: string | undefined): PeerLabels {
  const described = describeWorkload(workload)
  return {
    workload: described.workloadName,
    canonicalService: described.canonicalName,
    canonicalRevision: described.canonicalRevision,
    namespace: described.namespace,
    principal,
    app: described.canonicalName,
    version: described.canonicalRevision,
    cluster: described.cluster,
    region: described.region,
    zone: described.zone
  }
}

/** A side known only by what it says of itself: its app is the workload name, unlike one known from discovery. */
export function baggageLabels(baggage: Baggage, principal: string | undefined): PeerLabels {
  return {
    workload: baggage.workloadName,
    canonicalService: baggage.serviceName,
    canonicalRevision: baggage.serviceVersion,
    namespace: baggage.namespace,
    principal,
    app: baggage.workloadName,
    version: baggage.serviceVersion,
    cluster: baggage.clusterName,
    region: baggage.region,
    zone: baggage.zone
  }
}

export function serviceLabels(service: Service | undefined): ServiceLabels | undefined {
  return service && { hostname: service.hostname, name: service.name, namespace: service.namespace }
}
