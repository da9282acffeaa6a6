import type { Cluster } from '../cluster-state.ts'
import type { Target } from '../operations.ts'
import type { RequestContext } from '../request-context.ts'
import type { ResourcePath } from '../request-info.ts'
import { noSuchPath } from '../status.ts'
import { bindPod } from './pod-binding.ts'
import { evictPod } from './pod-eviction.ts'
import { finalizeNamespace } from './namespace-finalize.ts'
import { servePodLog } from './pod-log.ts'
import { handleScale } from './scale.ts'
import { requestToken } from './token-request.ts'

type SubresourceHandler = (cluster: Cluster, target: Target, context: RequestContext) => Promise<void>

const handlers: Readonly<Record<string, SubresourceHandler>> = {
  '/pods binding': bindPod,
  '/pods eviction': evictPod,
  '/pods log': servePodLog,
  '/namespaces finalize': finalizeNamespace,
  '/serviceaccounts token': requestToken
}

/** Everything below an object but its status. */
export async function handleSubresource(
  cluster: Cluster,
  target: Target,
  { subresource, rest }: ResourcePath,
  context: RequestContext
): Promise<void> {
  if (rest.length > 0) throw noSuchPath()
  if (subresource === 'scale' && target.definition.scale) return handleScale(cluster, target, context)
  const key = `${target.definition.storageKey} ${subresource}`
  const handler = Object.hasOwn(handlers, key) ? handlers[key] : undefined
  if (handler === undefined) throw noSuchPath()
  return handler(cluster, target, context)
}
