import type { ServiceDefinition } from '../conversion/service.ts'
import type { PortMap, Workload } from '../model/workload.ts'
import type { AddressUpdate } from '../state/workload-index.ts'

/** A healthy pod that speaks HBONE, named by its uid. */
export function aWorkload(fields: Partial<Workload> & Pick<Workload, 'uid'>): Workload {
  return {
    name: fields.uid.slice(fields.uid.lastIndexOf('/') + 1),
    namespace: 'shop',
    serviceAccount: 'default',
    trustDomain: 'cluster.local',
    workloadIps: [],
    hostname: '',
    network: '',
    node: 'node-1',
    protocol: 'HBONE',
    networkMode: 'Standard',
    workloadName: '',
    workloadType: 'pod',
    canonicalName: '',
    canonicalRevision: '',
    clusterId: 'Kubernetes',
    locality: { region: '', zone: '', subzone: '' },
    nativeTunnel: false,
    authorizationPolicies: [],
    status: 'Healthy',
    services: new Map(),
    capacity: 1,
    ...fields
  }
}

/** Port 80 to 8080, without addresses. */
export function aService(fields: Partial<ServiceDefinition> & Pick<ServiceDefinition, 'hostname'>): ServiceDefinition {
  return {
    name: fields.hostname.slice(0, Math.max(fields.hostname.indexOf('.'), 0)) || fields.hostname,
    namespace: 'shop',
    vips: [],
    cidrVips: [],
    ports: ports({ 80: 8080 }),
    subjectAltNames: [],
    weightedWaypoints: [],
    canonical: false,
    visibility: 'Public',
    ...fields
  }
}

export const workloadUpdate = (fields: Parameters<typeof aWorkload>[0]): AddressUpdate => ({
  kind: 'workload',
  workload: aWorkload(fields)
})

export const serviceUpdate = (fields: Parameters<typeof aService>[0]): AddressUpdate => ({
  kind: 'service',
  service: aService(fields)
})

export const ports = (map: Readonly<Record<number, number>>): PortMap =>
  new Map(Object.entries(map).map(([port, target]) => [Number(port), target]))
