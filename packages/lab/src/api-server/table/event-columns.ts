import type { CoreV1Event } from '@kubernetes/client-node'
import type { KubeObject } from '../objects.ts'
import type { Column } from './columns.ts'
import { age } from './duration.ts'

const eventOf = (object: KubeObject): CoreV1Event => object as unknown as CoreV1Event

/** Events are told apart by what they are about; their names are for machines. */
export const eventColumns: readonly Column[] = [
  { name: 'Last Seen', cell: (object, now) => age(lastSeen(eventOf(object)), now) },
  { name: 'Type', cell: object => eventOf(object).type ?? '' },
  { name: 'Reason', cell: object => eventOf(object).reason ?? '' },
  {
    name: 'Object',
    cell(object) {
      const { kind = '', name = '' } = eventOf(object).involvedObject
      return `${kind.toLowerCase()}/${name}`
    }
  },
  { name: 'Subobject', wide: true, cell: object => eventOf(object).involvedObject.fieldPath ?? '' },
  {
    name: 'Source',
    wide: true,
    cell: object => eventOf(object).reportingComponent ?? eventOf(object).source?.component ?? ''
  },
  { name: 'Message', cell: object => (eventOf(object).message ?? '').trim() },
  { name: 'Name', wide: true, cell: ({ metadata }) => metadata.name }
]

/** Dates are text in stored objects. */
function lastSeen({ series, lastTimestamp, eventTime, firstTimestamp, metadata }: CoreV1Event): string | undefined {
  const time = series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? firstTimestamp ?? metadata.creationTimestamp
  return time === undefined ? undefined : String(time)
}
