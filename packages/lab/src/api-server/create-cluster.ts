import type { ServiceAccountTokens } from './auth/service-account-tokens.ts'
import type { Cluster } from './cluster-state.ts'
import { createAddressAllocator } from './defaults/service-addresses.ts'
import { strategyOf } from './defaults/strategies.ts'
import { createKubelets } from './kubelets.ts'
import { createOperations } from './operations.ts'
import { createRegistry } from './registry.ts'
import { dryRun } from './request-context.ts'
import { createSchemas } from './schema/schemas.ts'
import type { Store } from './store.ts'

export function createCluster(o: {
  store: Store
  tokens: ServiceAccountTokens
  now: () => Date
  serviceCidr: string
  bookmarkIntervalMs: number
  signal: AbortSignal
  onError: (error: unknown) => void
}): Cluster {
  const { store, tokens, now, bookmarkIntervalMs, signal } = o
  const operations = createOperations({
    store,
    strategyOf,
    context: { store, ...createAddressAllocator(store, o.serviceCidr) },
    now
  })
  return {
    store,
    registry: createRegistry(),
    schemas: createSchemas(),
    operations,
    tokens,
    kubelets: createKubelets(),
    bookmarkIntervalMs,
    signal,
    now,
    checkFields: () => {},
    create: async (definition, object, { query }) => operations.create(definition, object, { dryRun: dryRun(query) }),
    update: (target, change, options, { query }) =>
      operations.update(target, change, { ...options, dryRun: dryRun(query) })
  }
}
