import type { Strategy } from '../strategy.ts'

const nameLabel = 'kubernetes.io/metadata.name'

export const namespaceStrategy: Strategy = {
  defaults(namespace) {
    const { metadata } = namespace
    if (metadata.name !== undefined) metadata.labels = { ...metadata.labels, [nameLabel]: metadata.name }
  },
  prepareCreate(namespace) {
    // Holds the namespace until everything in it is deleted.
    namespace.spec = { finalizers: ['kubernetes'] }
    namespace.status = { phase: 'Active' }
  },
  prepareUpdate(namespace, old) {
    // Only the finalize subresource takes finalizers away; it comes with fewer of them while the namespace ends.
    const kept = (old.spec as { finalizers?: string[] } | undefined)?.finalizers ?? []
    const wanted = (namespace.spec as { finalizers?: string[] } | undefined)?.finalizers
    const ending = old.metadata.deletionTimestamp !== undefined
    namespace.spec = { finalizers: ending && wanted !== undefined ? kept.filter(one => wanted.includes(one)) : kept }
  }
}
