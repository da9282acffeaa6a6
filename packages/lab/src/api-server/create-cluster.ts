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
import { isApply, managerOf } from './field-manager.ts'
import { afterUpdate } from './patch/managed-fields.ts'
import { dryRun, type RequestContext } from './request-context.ts'
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

  /** Notes whose fields they now are; an apply has done that already. */
  function managed(
    old: KubeObject | undefined,
    next: KubeObject,
    definition: ResourceDefinition,
    subresource: string | undefined,
    request: RequestContext
  ): KubeObject {
    if (isApply(request)) return next
    const manager = managerOf(request, definition, subresource, 'Update', now())
    const written = writtenPart(old, next, definition, subresource)
    const managedFields = afterUpdate(old, written, manager, schemas.of(definition), schemas.definitions)
    return { ...next, metadata: { ...next.metadata, managedFields } }
  }

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
    async create(definition, given, request) {
      const { query } = request
      const object = managed(undefined, pruned(given, definition), definition, undefined, request)
      if (definition.storageKey === '/pods') await admitServiceAccount(object, store, signal)
      return operations.create(definition, object, { dryRun: dryRun(query) })
    },
    update: (target, change, options, request) =>
      operations.update(
        target,
        current => {
          const next = pruned(change(current), target.definition)
          return managed(current, next, target.definition, options.subresource, request)
        },
        { ...options, dryRun: dryRun(request.query) }
      )
  }
}

/** The object as it will be: a request writes the status or everything else, never both. */
function writtenPart(
  old: KubeObject | undefined,
  next: KubeObject,
  definition: ResourceDefinition,
  subresource: string | undefined
): KubeObject {
  if (!definition.status) return next
  const { managedFields } = next.metadata
  if (subresource === 'status' && old !== undefined) {
    return { ...old, status: next.status, metadata: { ...old.metadata, ...(managedFields && { managedFields }) } }
  }
  return { ...next, status: old?.status }
}
