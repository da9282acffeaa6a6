import type { Cluster } from '../cluster-state.ts'
import { groupVersion, toObject } from '../object-metadata.ts'
import { isFields, type KubeObject } from '../objects.ts'
import type { Target } from '../operations.ts'
import type { RequestContext } from '../request-context.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import { badRequest } from '../status.ts'
import { applyJsonPatch } from './json-patch.ts'
import { applyMergePatch } from './merge-patch.ts'
import { applyStrategicMerge } from './strategic-merge.ts'

const jsonPatch = 'application/json-patch+json'
const mergePatch = 'application/merge-patch+json'
const strategicPatch = 'application/strategic-merge-patch+json'

/** The media types a PATCH of this kind may have. */
export function patchTypes({ builtIn }: ResourceDefinition): readonly string[] {
  return builtIn ? [jsonPatch, mergePatch, strategicPatch] : [jsonPatch, mergePatch]
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
  const change = (current: KubeObject): KubeObject => {
    const served = { ...current, apiVersion: groupVersion(definition) }
    const patched = applyPatch(type, served, patch, cluster, definition)
    if (!isFields(patched)) throw badRequest('the patched object is not an object')
    cluster.checkFields(patched, definition, context)
    return toObject(patched, definition, namespace, name)
  }
  const options = subresource === undefined ? {} : { subresource }
  return { object: cluster.update(target, change, options, context), created: false }
}

function applyPatch(
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
