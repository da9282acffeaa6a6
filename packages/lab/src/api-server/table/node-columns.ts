import type { V1Node } from '@kubernetes/client-node'
import type { KubeObject } from '../objects.ts'
import type { Column } from './columns.ts'

const nodeOf = (object: KubeObject): V1Node => object as unknown as V1Node
const rolePrefix = 'node-role.kubernetes.io/'

export const nodeColumns: readonly Column[] = [
  { name: 'Status', cell: object => nodeStatus(nodeOf(object)) },
  { name: 'Roles', cell: object => roles(nodeOf(object)) },
  { name: 'Version', afterAge: true, cell: object => nodeOf(object).status?.nodeInfo?.kubeletVersion ?? '' },
  { name: 'Internal-IP', wide: true, cell: object => address(nodeOf(object), 'InternalIP') },
  { name: 'External-IP', wide: true, cell: object => address(nodeOf(object), 'ExternalIP') },
  { name: 'OS-Image', wide: true, cell: object => nodeOf(object).status?.nodeInfo?.osImage || '<unknown>' },
  { name: 'Kernel-Version', wide: true, cell: object => nodeOf(object).status?.nodeInfo?.kernelVersion || '<unknown>' },
  {
    name: 'Container-Runtime',
    wide: true,
    cell: object => nodeOf(object).status?.nodeInfo?.containerRuntimeVersion || '<unknown>'
  }
]

function nodeStatus({ spec, status }: V1Node): string {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')
  const text = ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady'
  return spec?.unschedulable === true ? `${text},SchedulingDisabled` : text
}

function roles({ metadata }: V1Node): string {
  const names = Object.keys(metadata?.labels ?? {})
    .filter(key => key.startsWith(rolePrefix) && key.length > rolePrefix.length)
    .map(key => key.slice(rolePrefix.length))
  return names.length === 0 ? '<none>' : names.sort().join(',')
}

const address = ({ status }: V1Node, kind: string): string =>
  status?.addresses?.find(({ type }) => type === kind)?.address ?? '<none>'
