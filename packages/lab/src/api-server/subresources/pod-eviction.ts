import type { Cluster } from '../cluster-state.ts'
import { readDeleteOptions } from '../delete-options.ts'
import type { Target } from '../operations.ts'
import { contentType, parseObject, readBody } from '../request-body.ts'
import { type RequestContext, sendJson } from '../request-context.ts'
import { methodNotAllowed } from '../status.ts'

/** POST pods/NAME/eviction: a delete; disruption budgets are stored and not enforced. */
export async function evictPod(cluster: Cluster, target: Target, context: RequestContext): Promise<void> {
  if (context.method !== 'POST') throw methodNotAllowed()
  const body = parseObject(await readBody(context.request), contentType(context.request))
  cluster.operations.remove(target, readDeleteOptions(body.deleteOptions, context.query))
  sendJson(context.response, 201, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 })
}
