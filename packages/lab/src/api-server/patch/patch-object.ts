import type { Cluster } from '../cluster-state.ts'
import { groupVersion, toObject } from '../object-metadata.ts'
import { isFields, type KubeObject } from '../objects.ts'
import type { Target } from '../operations.ts'
import type { RequestContext } from '../request-context.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import { badRequest } from '../status.ts'
import { booleanOption } from '../list-options.ts'
import { managerOf } from '../field-manager.ts'
import { serverSideApply } from './server-side-apply.ts'
import { applyJsonPatch } from './json-patch.ts'
import { applyMergePatch } from './merge-patch.ts'
import { applyStrategicMerge } from './strategic-merge.ts'

const jsonPatch = 'application/json-patch+json'
const mergePatch = 'application/merge-patch+json'
const strategicPatch = 'application/strategic-merge-patch+json'
const applyPatch = 'application/apply-patch+yaml'

/** The media types a PATCH of this kind may have. */
export function patchTypes({ builtIn }: ResourceDefinition): readonly string[] {
  return builtIn ? [jsonPatch, mergePatch, strategicPatch, applyPatch] : [jsonPatch, mergePatch, applyPatch]
}

/** Applies any of the patch types. `created` is true when server-side apply made the object. */
export async function patchObject(
  cluster: Cluster,
  target: Target,
  subresource: string | undefined,
  type: string,
  patch: unknown,
  context: RequestContext
): Promise<{ object: KubeObject; created: boolean }> {
  const { definition, namespace, name } = target
  if (type === applyPatch) return applyObject(cluster, target, subresource, patch, context)
  const change = (current: KubeObject): KubeObject => {
    const served = { ...current, apiVersion: groupVersion(definition) }
    const result = patched(type, served, patch, cluster, definition)
    if (!isFields(result)) throw badRequest('the patched object is not an object')
    cluster.checkFields(result, definition, context)
    return toObject(result, definition, namespace, name)
  }
  const options = subresource === undefined ? {} : { subresource }
  return { object: cluster.update(target, change, options, context), created: false }
}

async function applyObject(
  cluster: Cluster,
  target: Target,
  subresource: string | undefined,
  patch: unknown,
  context: RequestContext
): Promise<{ object: KubeObject; created: boolean }> {
  const { definition, namespace, name } = target
  const { schemas, store } = cluster
  const { query } = context
  const fieldManager = query.get('fieldManager') ?? ''
  if (fieldManager === '') throw badRequest('fieldManager: Required value: is required for apply patch')
  if (!isFields(patch)) throw badRequest('the applied configuration is not an object')
  if (patch.apiVersion === undefined || patch.kind === undefined) {
    throw badRequest('the applied configuration must have apiVersion and kind')
  }
  if (
    isFields(patch.metadata) &&
    Array.isArray(patch.metadata.managedFields) &&
    patch.metadata.managedFields.length > 0
  ) {
    throw badRequest('metadata.managedFields must be nil')
  }
  cluster.checkFields(patch, definition, context)
  const applied = toObject(patch, definition, namespace, name)
  const options = {
    manager: managerOf(context, definition, subresource, 'Apply', cluster.now()),
    force: booleanOption(query, 'force'),
    schema: schemas.of(definition),
    definitions: schemas.definitions
  }
  if (store.get(definition.storageKey, namespace, name) === undefined && subresource === undefined) {
    return {
      object: await cluster.create(definition, serverSideApply(undefined, applied, options), context),
      created: true
    }
  }
  const change = (current: KubeObject): KubeObject => {
    const served = { ...current, apiVersion: groupVersion(definition) }
    return serverSideApply(served, applied, options)
  }
  const update = subresource === undefined ? {} : { subresource }
  return { object: cluster.update(target, change, update, context), created: false }
}

function patched(
  type: string,
  current: KubeObject,
  patch: unknown,
  { schemas }: Cluster,
  definition: ResourceDefinition
): unknown {
  if (type === jsonPatch) return applyJsonPatch(current, patch)
  if (!isFields(patch)) throw badRequest('the patch is not an object')
  if (type === mergePatch) return applyMergePatch(current, patch)
  return applyStrategicMerge(current, patch, schemas.of(definition), schemas.definitions)
}
