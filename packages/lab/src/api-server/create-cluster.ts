import { admitServiceAccount } from './admission/service-account.ts'
import type { ServiceAccountTokens } from './auth/service-account-tokens.ts'
import type { Cluster } from './cluster-state.ts'
import { serveCustomResources } from './custom-resources.ts'
import { createAddressAllocator } from './defaults/service-addresses.ts'
import { createStrategies } from './defaults/strategies.ts'
import { checkFields } from './field-validation.ts'
import { collectGarbage } from './garbage-collector.ts'
import { createKubelets } from './kubelets.ts'
import { deleteNamespaceContents } from './namespace-deletion.ts'
import { createOperations } from './operations.ts'
import { createRegistry } from './registry.ts'
import { dryRun } from './request-context.ts'
import { prune } from './schema/check-types.ts'
import { createSchemas } from './schema/schemas.ts'
import type { KubeObject } from './objects.ts'
import type { ResourceDefinition } from './resource-definition.ts'
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
  const schemas = createSchemas()
  const registry = createRegistry()
  const strategyOf = createStrategies(schemas)
  const context = { store, ...createAddressAllocator(store, o.serviceCidr) }
  const operations = createOperations({ store, strategyOf, context, now })
  serveCustomResources({ store, registry, schemas, operations })
  deleteNamespaceContents({ store, registry, operations })
  collectGarbage({ store, registry, operations })

  const pruned = (object: KubeObject, definition: ResourceDefinition): KubeObject =>
    prune(object, schemas.of(definition), schemas.definitions) as KubeObject

  return {
    store,
    registry,
    schemas,
    operations,
    tokens,
    kubelets: createKubelets(),
    bookmarkIntervalMs,
    signal,
    now,
    checkFields: (body, definition, request) => checkFields(body, definition, schemas, request),
    async create(definition, given, { query }) {
      const object = pruned(given, definition)
      if (definition.storageKey === '/pods') await admitServiceAccount(object, store, signal)
      return operations.create(definition, object, { dryRun: dryRun(query) })
    },
    update: (target, change, options, { query }) =>
      operations.update(target, current => pruned(change(current), target.definition), {
        ...options,
        dryRun: dryRun(query)
      })
  }
}
