import type { Cluster } from '../cluster-state.ts'
import { toObject } from '../object-metadata.ts'
import type { Target } from '../operations.ts'
import { contentType, parseObject, readBody } from '../request-body.ts'
import { type RequestContext, sendJson } from '../request-context.ts'
import { methodNotAllowed } from '../status.ts'

/** PUT namespaces/NAME/finalize: takes away what holds a namespace that is being deleted. */
export async function finalizeNamespace(cluster: Cluster, target: Target, context: RequestContext): Promise<void> {
  if (context.method !== 'PUT') throw methodNotAllowed()
  const body = parseObject(await readBody(context.request), contentType(context.request))
  const wanted = toObject(body, target.definition, undefined, target.name)
  const updated = cluster.operations.update(
    target,
    current => {
      const { status } = current
      return { ...wanted, status, metadata: { ...current.metadata, resourceVersion: wanted.metadata.resourceVersion } }
    },
    { subresource: 'finalize' }
  )
  sendJson(context.response, 200, updated)
}
