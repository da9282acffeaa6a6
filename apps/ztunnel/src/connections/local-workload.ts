import { waitForLocalWorkload, type Workload } from '@culvert/workloads'
import type { NodeContext, PodContext } from './context.ts'

/** The pod's workload by name, namespace and account, never by address; waits up to 5 s (docs/spec/zds.md 4.4). */
export function localWorkload(
  { index }: NodeContext,
  { identity, synced }: PodContext
): Workload | Promise<Workload | undefined> {
  const find = (): Workload | Promise<Workload | undefined> =>
    index.localWorkload(identity) ?? waitForLocalWorkload(index, identity)
  return synced === undefined ? find() : synced.then(find)
}
