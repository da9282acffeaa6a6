import type { KubeObject } from '../objects.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import { age } from './duration.ts'
import { customColumn } from './custom-columns.ts'
import { eventColumns } from './event-columns.ts'
import { nodeColumns } from './node-columns.ts'
import { podColumns } from './pod-columns.ts'
import { serviceColumns } from './service-columns.ts'
import {
  daemonSetColumns,
  deploymentColumns,
  jobColumns,
  replicaSetColumns,
  statefulSetColumns
} from './workload-columns.ts'

export interface Column {
  readonly name: string
  readonly type?: 'string' | 'integer' | 'date' | 'number' | 'boolean'
  /** Shown only by `-o wide`. */
  readonly wide?: boolean
  readonly afterAge?: boolean
  cell(object: KubeObject, now: Date): unknown
}

const nameColumn: Column = { name: 'Name', cell: ({ metadata }) => metadata.name }
const ageColumn: Column = { name: 'Age', cell: ({ metadata }, now) => age(metadata.creationTimestamp, now) }

const count = (value: unknown): number => (typeof value === 'object' && value !== null ? Object.keys(value).length : 0)

/** The columns beside the name and the age; wide ones follow the age. */
const columns: Readonly<Record<string, readonly Column[]>> = {
  '/pods': podColumns,
  '/services': serviceColumns,
  '/nodes': nodeColumns,
  '/namespaces': [{ name: 'Status', cell: ({ status }) => (status as { phase?: string } | undefined)?.phase ?? '' }],
  '/configmaps': [{ name: 'Data', type: 'integer', cell: ({ data, binaryData }) => count(data) + count(binaryData) }],
  '/secrets': [
    { name: 'Type', cell: ({ type }) => type },
    { name: 'Data', type: 'integer', cell: ({ data }) => count(data) }
  ],
  '/serviceaccounts': [
    { name: 'Secrets', type: 'integer', cell: ({ secrets }) => (Array.isArray(secrets) ? secrets.length : 0) }
  ],
  'apps/deployments': deploymentColumns,
  'apps/replicasets': replicaSetColumns,
  'apps/daemonsets': daemonSetColumns,
  'apps/statefulsets': statefulSetColumns,
  'batch/jobs': jobColumns,
  'coordination.k8s.io/leases': [
    { name: 'Holder', cell: ({ spec }) => (spec as { holderIdentity?: string } | undefined)?.holderIdentity ?? '' }
  ],
  'discovery.k8s.io/endpointslices': [
    { name: 'AddressType', cell: ({ addressType }) => addressType },
    {
      name: 'Ports',
      cell: ({ ports }) =>
        joined(
          (ports as { port?: number }[] | undefined)?.map(({ port }) => String(port ?? '*')),
          '<unset>'
        )
    },
    {
      name: 'Endpoints',
      cell: ({ endpoints }) =>
        joined(
          (endpoints as { addresses: string[] }[] | undefined)?.flatMap(({ addresses }) => addresses),
          '<unset>'
        )
    }
  ],
  '/endpoints': [{ name: 'Endpoints', cell: ({ subsets }) => joined(endpointAddresses(subsets), '<none>') }]
}

interface Subset {
  addresses?: { ip: string }[]
  ports?: { port: number }[]
}

const endpointAddresses = (subsets: unknown): string[] =>
  ((subsets as Subset[] | undefined) ?? []).flatMap(({ addresses = [], ports = [] }) =>
    addresses.flatMap(({ ip }) => (ports.length === 0 ? [ip] : ports.map(({ port }) => `${ip}:${port}`)))
  )

/** At most three, then how many more. */
function joined(values: readonly string[] | undefined, none: string): string {
  if (values === undefined || values.length === 0) return none
  const shown = values.slice(0, 3).join(',')
  return values.length > 3 ? `${shown} + ${values.length - 3} more...` : shown
}

export function columnsOf({ storageKey, printerColumns }: ResourceDefinition): readonly Column[] {
  if (storageKey === '/events') return eventColumns
  // A definition that names its own columns names the age too, or does without.
  if (printerColumns !== undefined) return [nameColumn, ...printerColumns.map(customColumn)]
  const middle = Object.hasOwn(columns, storageKey) ? columns[storageKey]! : []
  const follows = ({ wide = false, afterAge = wide }: Column): boolean => afterAge
  return [nameColumn, ...middle.filter(column => !follows(column)), ageColumn, ...middle.filter(follows)]
}
