import { type Clock, systemClock } from '@culvert/clock'
import type { Workload, WorkloadIdentity } from '../model/workload.ts'
import type { WorkloadIndex } from './workload-index.ts'

/**
 * The workload of a local pod, which may arrive a little after its first connection (docs/spec/workload-xds.md 3.4).
 * Undefined when the time is over or `signal` aborts.
 */
export function waitForLocalWorkload(
  index: Pick<WorkloadIndex, 'localWorkload' | 'watch'>,
  identity: WorkloadIdentity,
  { timeout = 5000, clock = systemClock, signal }: { timeout?: number; clock?: Clock; signal?: AbortSignal } = {}
): Promise<Workload | undefined> {
  const present = index.localWorkload(identity)
  if (present !== undefined || signal?.aborted) return Promise.resolve(present)
  const { promise, resolve } = Promise.withResolvers<Workload | undefined>()
  const finish = (workload: Workload | undefined): void => {
    stopWatching()
    stopTimer()
    signal?.removeEventListener('abort', onAbort)
    resolve(workload)
  }
  const onAbort = (): void => finish(undefined)
  const stopWatching = index.watch({
    localInserted({ name, namespace }) {
      if (name !== identity.name || namespace !== identity.namespace) return
      const workload = index.localWorkload(identity)
      if (workload !== undefined) finish(workload)
    }
  })
  const stopTimer = clock.after(timeout, () => finish(undefined))
  signal?.addEventListener('abort', onAbort, { once: true })
  return promise
}
