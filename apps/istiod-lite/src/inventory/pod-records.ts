import type { PodIndex, PodRecord } from '@culvert/certificates'
import type { V1Pod } from '@culvert/kubernetes'
import { createMultimap } from './multimap.ts'

/** Pods as node authorization sees them; those that failed are not there. */
export interface PodRecords extends PodIndex {
  /** One change of one pod: added without `old`, deleted without `now`. */
  apply(old: V1Pod | undefined, now: V1Pod | undefined): void
}

export function createPodRecords(): PodRecords {
  const records = new Map<string, PodRecord>()
  const onNode = createMultimap<PodRecord>()
  return {
    apply(old, now) {
      if (old !== undefined) {
        const record = records.get(keyOf(old))
        records.delete(keyOf(old))
        if (record?.node !== undefined) onNode.delete(record.node, record)
      }
      if (now === undefined || now.status?.phase === 'Failed') return
      const record = recordOf(now)
      records.set(keyOf(now), record)
      if (record.node !== undefined) onNode.add(record.node, record)
    },
    pod: (namespace, name) => records.get(`${namespace}/${name}`),
    podsOnNode: node => onNode.get(node)
  }
}

const keyOf = ({ metadata }: V1Pod): string => `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`

const recordOf = ({ metadata, spec }: V1Pod): PodRecord => ({
  namespace: metadata?.namespace ?? '',
  name: metadata?.name ?? '',
  uid: metadata?.uid ?? '',
  serviceAccount: spec?.serviceAccountName ?? '',
  node: spec?.nodeName || undefined
})
