import type { V1Service } from '@kubernetes/client-node'
import type { KubeObject } from '../objects.ts'
import type { Column } from './columns.ts'
import { pairs } from './workload-columns.ts'

const serviceOf = (object: KubeObject): V1Service => object as unknown as V1Service

export const serviceColumns: readonly Column[] = [
  { name: 'Type', cell: object => serviceOf(object).spec?.type ?? '' },
  { name: 'Cluster-IP', cell: object => serviceOf(object).spec?.clusterIP ?? '<none>' },
  { name: 'External-IP', cell: object => externalAddress(serviceOf(object)) },
  { name: 'Port(s)', cell: object => ports(serviceOf(object)) },
  { name: 'Selector', wide: true, cell: object => pairs(serviceOf(object).spec?.selector) }
]

function externalAddress({ spec, status }: V1Service): string {
  if (spec?.type === 'ExternalName') return spec.externalName ?? ''
  const given = spec?.externalIPs ?? []
  if (spec?.type !== 'LoadBalancer') return given.length === 0 ? '<none>' : given.join(',')
  const ingress = (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }) => ip ?? hostname ?? [])
  return ingress.length + given.length === 0 ? '<pending>' : [...ingress, ...given].join(',')
}

function ports({ spec }: V1Service): string {
  const list = (spec?.ports ?? []).map(({ port, nodePort, protocol }) =>
    nodePort === undefined ? `${port}/${protocol}` : `${port}:${nodePort}/${protocol}`
  )
  return list.length === 0 ? '<none>' : list.join(',')
}
