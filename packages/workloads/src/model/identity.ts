import type { Workload } from './workload.ts'

/** The SPIFFE id a workload must show (docs/spec/hbone.md 2.7): the file source leaves parts empty, the mesh does not. */
export function workloadIdentity({ trustDomain, namespace, serviceAccount }: Workload): string {
  return `spiffe://${trustDomain || 'cluster.local'}/ns/${namespace}/sa/${serviceAccount || 'default'}`
}
