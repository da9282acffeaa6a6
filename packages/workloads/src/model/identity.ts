import type { Workload } from './workload.ts'

const identities = new WeakMap<Workload, string>()

/**
 * The SPIFFE id a workload must show (docs/spec/hbone.md 2.7): the file source leaves parts empty, the mesh does not.
 * Every connection asks several times and compares: one text for each record.
 */
export function workloadIdentity(workload: Workload): string {
  let identity = identities.get(workload)
  if (identity === undefined) {
    const { trustDomain, namespace, serviceAccount } = workload
    identity = `spiffe://${trustDomain || 'cluster.local'}/ns/${namespace}/sa/${serviceAccount || 'default'}`
    identities.set(workload, identity)
  }
  return identity
}
