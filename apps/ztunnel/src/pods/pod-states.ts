import type { WorkloadInfo } from '@culvert/zds'
import type { ConnectionsDump, LiveConnections } from '../connections/live-connections.ts'

/** `workloadState` of the dump: docs/spec/zds.md 4.8. */
export interface PodStates {
  /** From before the bind. */
  readonly starting: (uid: string, info: WorkloadInfo) => PodState
  readonly dump: () => Readonly<Record<string, PodStateView>>
  /** The connections of every pod. */
  readonly live: () => Iterable<LiveConnections>
}

export interface PodState {
  readonly up: (live: LiveConnections) => void
  readonly gone: () => void
}

export interface PodStateView {
  readonly state: 'Pending' | 'Up'
  readonly info: WorkloadInfo
  readonly connections?: ConnectionsDump
}

interface Entry {
  readonly uid: string
  readonly info: WorkloadInfo
  live: LiveConnections | undefined
}

export function createPodStates(): PodStates {
  // One uid may have two for a while: the old proxy on its way out, the new one in another namespace.
  const entries = new Set<Entry>()
  return {
    starting: (uid, info) => {
      const entry: Entry = { uid, info, live: undefined }
      for (const other of entries) if (other.uid === uid && other.live === undefined) entries.delete(other)
      entries.add(entry)
      return {
        up: live => {
          entry.live = live
        },
        gone: () => {
          entries.delete(entry)
        }
      }
    },
    dump: () => Object.fromEntries([...entries].map(entry => [entry.uid, view(entry)])),
    live: () => [...entries].flatMap(({ live }) => (live === undefined ? [] : [live]))
  }
}

function view({ info, live }: Entry): PodStateView {
  const { name, namespace, serviceAccount } = info
  const shown = { name, namespace, serviceAccount }
  return live === undefined ? { state: 'Pending', info: shown } : { state: 'Up', info: shown, connections: live.dump() }
}
