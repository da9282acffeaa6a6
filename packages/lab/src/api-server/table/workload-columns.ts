import type {
  V1Container,
  V1DaemonSet,
  V1Deployment,
  V1Job,
  V1PodTemplateSpec,
  V1ReplicaSet,
  V1StatefulSet
} from '@kubernetes/client-node'
import type { KubeObject } from '../objects.ts'
import { formatRequirements, fromLabelSelector, type LabelSelector } from '../selectors/label-selector.ts'
import type { Column } from './columns.ts'
import { humanDuration } from './duration.ts'

/** Labels as text. */
export function pairs(values: Record<string, string> | undefined): string {
  const list = Object.entries(values ?? {}).map(([key, value]) => `${key}=${value}`)
  return list.length === 0 ? '<none>' : list.join(',')
}

const containersOf = ({ spec }: KubeObject): readonly V1Container[] =>
  (spec as { template?: V1PodTemplateSpec } | undefined)?.template?.spec?.containers ?? []

const wide: readonly Column[] = [
  {
    name: 'Containers',
    wide: true,
    cell: object =>
      containersOf(object)
        .map(({ name }) => name)
        .join(',')
  },
  {
    name: 'Images',
    wide: true,
    cell: object =>
      containersOf(object)
        .map(({ image }) => image)
        .join(',')
  },
  {
    name: 'Selector',
    wide: true,
    cell: ({ spec }) =>
      formatRequirements(fromLabelSelector((spec as { selector?: LabelSelector }).selector)) || '<none>'
  }
]

/** A column of numbers taken from an object seen as its own type. */
function number<T>(name: string, read: (object: T) => number | undefined): Column {
  return { name, type: 'integer', cell: object => read(object as unknown as T) ?? 0 }
}

export const deploymentColumns: readonly Column[] = [
  {
    name: 'Ready',
    cell(object) {
      const { spec, status } = object as unknown as V1Deployment
      return `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`
    }
  },
  number<V1Deployment>('Up-to-date', ({ status }) => status?.updatedReplicas),
  number<V1Deployment>('Available', ({ status }) => status?.availableReplicas),
  ...wide
]

export const replicaSetColumns: readonly Column[] = [
  number<V1ReplicaSet>('Desired', ({ spec }) => spec?.replicas),
  number<V1ReplicaSet>('Current', ({ status }) => status?.replicas),
  number<V1ReplicaSet>('Ready', ({ status }) => status?.readyReplicas),
  ...wide
]

export const daemonSetColumns: readonly Column[] = [
  number<V1DaemonSet>('Desired', ({ status }) => status?.desiredNumberScheduled),
  number<V1DaemonSet>('Current', ({ status }) => status?.currentNumberScheduled),
  number<V1DaemonSet>('Ready', ({ status }) => status?.numberReady),
  number<V1DaemonSet>('Up-to-date', ({ status }) => status?.updatedNumberScheduled),
  number<V1DaemonSet>('Available', ({ status }) => status?.numberAvailable),
  {
    name: 'Node Selector',
    cell: object => pairs((object as unknown as V1DaemonSet).spec?.template.spec?.nodeSelector)
  },
  ...wide
]

export const statefulSetColumns: readonly Column[] = [
  {
    name: 'Ready',
    cell(object) {
      const { spec, status } = object as unknown as V1StatefulSet
      return `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`
    }
  },
  ...wide.slice(0, 2)
]

export const jobColumns: readonly Column[] = [
  {
    name: 'Status',
    cell(object) {
      const conditions = (object as unknown as V1Job).status?.conditions ?? []
      return (
        conditions.find(({ type, status }) => ['Complete', 'Failed', 'Suspended'].includes(type) && status === 'True')
          ?.type ?? 'Running'
      )
    }
  },
  {
    name: 'Completions',
    cell(object) {
      const { spec, status } = object as unknown as V1Job
      return `${status?.succeeded ?? 0}/${spec?.completions ?? 1}`
    }
  },
  {
    name: 'Duration',
    cell(object, now) {
      const { startTime, completionTime } = (object as unknown as V1Job).status ?? {}
      if (startTime === undefined) return ''
      const end = completionTime === undefined ? now.getTime() : Date.parse(String(completionTime))
      return humanDuration(end - Date.parse(String(startTime)))
    }
  },
  ...wide
]
