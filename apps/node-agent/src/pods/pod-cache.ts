import { type Netns, sameNetns } from '@culvert/netns'
import type { SnapshotPod, WorkloadInfo } from '@culvert/zds'

/**
 * The pods of this node that ztunnel is to proxy, with their namespaces held open (docs/spec/cni.md 4.9). The cache owns
 * the handles it holds; who needs one for longer than a call makes a duplicate.
 */
export interface PodCache {
  /** Notes the pod, its namespace unknown, unless it is there. */
  reserve(uid: string, info: WorkloadInfo): void
  /** Takes over the handle. For the namespace that is known already, the old handle stays and the new one is closed. */
  upsert(uid: string, info: WorkloadInfo, netns: Netns): void
  netns(uid: string): Netns | undefined
  /** Removes the pod and gives its handle to the caller; a second time gives nothing. */
  take(uid: string): { readonly netns: Netns | undefined } | undefined
  snapshot(): readonly SnapshotPod[]
  close(): void
}

export function createPodCache(): PodCache {
  const pods = new Map<string, { info: WorkloadInfo; netns: Netns | undefined }>()
  const take = (uid: string): { netns: Netns | undefined } | undefined => {
    const entry = pods.get(uid)
    pods.delete(uid)
    return entry && { netns: entry.netns }
  }
  return {
    reserve(uid, info) {
      if (!pods.has(uid)) pods.set(uid, { info, netns: undefined })
    },
    upsert(uid, info, netns) {
      const old = pods.get(uid)?.netns
      const kept = old !== undefined && sameNetns(old, netns) ? old : netns
      pods.set(uid, { info, netns: kept })
      for (const handle of [old, netns]) if (handle !== kept) handle?.close()
    },
    netns: uid => pods.get(uid)?.netns,
    take,
    snapshot: () => [...pods].map(([uid, { info, netns }]) => ({ uid, info, netns })),
    close() {
      for (const uid of [...pods.keys()]) take(uid)?.netns?.close()
    }
  }
}
