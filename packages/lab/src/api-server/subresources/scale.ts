import type { Cluster } from '../cluster-state.ts'
import { toObject } from '../object-metadata.ts'
import { copy, type Fields, isFields, type KubeObject } from '../objects.ts'
import type { Target } from '../operations.ts'
import { applyJsonPatch } from '../patch/json-patch.ts'
import { applyMergePatch } from '../patch/merge-patch.ts'
import { contentType, parseBody, parseObject, readBody } from '../request-body.ts'
import { type RequestContext, sendJson } from '../request-context.ts'
import { formatRequirements, fromLabelSelector, type LabelSelector } from '../selectors/label-selector.ts'
import { badRequest, conflict, methodNotAllowed, objectModified } from '../status.ts'

/** The replicas of a workload as an autoscaling/v1 Scale, which `kubectl scale` patches. */
export async function handleScale(cluster: Cluster, target: Target, context: RequestContext): Promise<void> {
  const { method, request, response } = context
  if (method === 'GET') return sendJson(response, 200, scaleOf(cluster.operations.read(target)))
  if (method !== 'PUT' && method !== 'PATCH') throw methodNotAllowed()
  const body = await readBody(request)
  const type = contentType(request)
  const updated = cluster.update(
    target,
    current => {
      const scale = method === 'PUT' ? parseObject(body, type) : patched(scaleOf(current), parseBody(body, type), type)
      return withReplicas(current, scale, target)
    },
    {},
    context
  )
  sendJson(response, 200, scaleOf(updated))
}

function patched(scale: Fields, patch: unknown, type: string): Fields {
  const result = type === 'application/json-patch+json' ? applyJsonPatch(scale, patch) : applyMergePatch(scale, patch)
  if (!isFields(result)) throw badRequest('the patched Scale is not an object')
  return result
}

function withReplicas(current: KubeObject, scale: Fields, target: Target): KubeObject {
  const { resourceVersion } = isFields(scale.metadata) ? scale.metadata : {}
  if (
    typeof resourceVersion === 'string' &&
    resourceVersion !== '' &&
    resourceVersion !== current.metadata.resourceVersion
  ) {
    throw conflict(target.definition, target.name, objectModified)
  }
  const replicas = isFields(scale.spec) ? (scale.spec.replicas ?? 0) : 0
  if (typeof replicas !== 'number' || !Number.isSafeInteger(replicas) || replicas < 0) {
    throw badRequest('spec.replicas: must be a whole number of at least 0')
  }
  const next = copy(current)
  next.spec = { ...(current.spec as Fields), replicas }
  return toObject(next, target.definition, target.namespace, target.name)
}

function scaleOf({ metadata, spec, status }: KubeObject): Fields {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = metadata
  const { replicas, selector } = spec as { replicas?: number; selector?: LabelSelector }
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: replicas ?? 1 },
    status: {
      replicas: (status as { replicas?: number } | undefined)?.replicas ?? 0,
      selector: formatRequirements(fromLabelSelector(selector))
    }
  }
}
