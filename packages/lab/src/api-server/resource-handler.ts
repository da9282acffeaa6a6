import type { Cluster } from './cluster-state.ts'
import { readDeleteOptions } from './delete-options.ts'
import { listPage, selection } from './list-options.ts'
import { toObject } from './object-metadata.ts'
import type { KubeObject } from './objects.ts'
import type { Target } from './operations.ts'
import { patchObject, patchTypes } from './patch/patch-object.ts'
import { representation } from './representation.ts'
import { contentType, parseBody, parseObject, readBody } from './request-body.ts'
import { type RequestContext, sendJson } from './request-context.ts'
import type { ResourcePath } from './request-info.ts'
import type { ResourceDefinition } from './resource-definition.ts'
import { methodNotAllowed, noSuchPath, success, unsupportedMediaType } from './status.ts'
import { handleSubresource } from './subresources/handle-subresource.ts'
import { serveWatch } from './watch.ts'

/** The verbs on stored resources: everything below /api/v1 and /apis/GROUP/VERSION that names one. */
export async function handleResource(
  cluster: Cluster,
  definition: ResourceDefinition,
  path: ResourcePath,
  context: RequestContext
): Promise<void> {
  const { namespace, name, subresource } = path
  if (namespace !== undefined && !definition.namespaced) throw noSuchPath()
  if (name === undefined) return handleCollection(cluster, definition, namespace, context, path.watch)
  if (definition.namespaced && namespace === undefined) throw noSuchPath()
  const target: Target = { definition, namespace, name }
  if (subresource !== undefined && subresource !== 'status') {
    return handleSubresource(cluster, target, path, context)
  }
  if (subresource === 'status' && !definition.status) throw noSuchPath()
  const watching = path.watch || ['true', '1'].includes(context.query.get('watch') ?? '')
  if (context.method === 'GET' && watching) return watch(cluster, definition, namespace, name, context)
  return handleObject(cluster, target, subresource, context)
}

async function handleCollection(
  cluster: Cluster,
  definition: ResourceDefinition,
  namespace: string | undefined,
  context: RequestContext,
  watching: boolean
): Promise<void> {
  const { method, query, response } = context
  switch (method) {
    case 'GET': {
      if (watching || ['true', '1'].includes(query.get('watch') ?? '')) {
        return watch(cluster, definition, namespace, undefined, context)
      }
      const { items, revision, continueToken, remaining } = listPage(cluster.store, definition, namespace, query)
      const metadata = {
        resourceVersion: String(revision),
        ...(continueToken === undefined ? {} : { continue: continueToken }),
        ...(remaining === undefined ? {} : { remainingItemCount: remaining })
      }
      return sendJson(response, 200, representation(context.request, query).list(items, definition, metadata))
    }
    case 'POST': {
      const body = parseObject(await readBody(context.request), contentType(context.request))
      cluster.checkFields(body, definition, context)
      const object = toObject(body, definition, namespace, undefined)
      const created = await cluster.create(definition, object, context)
      return send(context, 201, created, definition)
    }
    case 'DELETE': {
      const options = readDeleteOptions(await optionalBody(context), query)
      const matches = selection(query)
      const deleted = cluster.store
        .list(definition.storageKey, namespace)
        .filter(matches)
        .map(({ metadata }) => {
          const target = { definition, namespace: metadata.namespace, name: metadata.name }
          return cluster.operations.remove(target, options).object
        })
      const metadata = { resourceVersion: String(cluster.store.revision) }
      return sendJson(response, 200, representation(context.request, query).list(deleted, definition, metadata))
    }
    default:
      throw methodNotAllowed()
  }
}

async function handleObject(
  cluster: Cluster,
  target: Target,
  subresource: 'status' | undefined,
  context: RequestContext
): Promise<void> {
  const { definition, namespace, name } = target
  const { method, query } = context
  switch (method) {
    case 'GET':
      return send(context, 200, cluster.operations.read(target), definition)
    case 'PUT': {
      const body = parseObject(await readBody(context.request), contentType(context.request))
      cluster.checkFields(body, definition, context)
      const object = toObject(body, definition, namespace, name)
      const updated = cluster.update(target, () => object, { ...(subresource && { subresource }) }, context)
      return send(context, 200, updated, definition)
    }
    case 'PATCH': {
      const type = contentType(context.request)
      const accepted = patchTypes(definition)
      if (!accepted.includes(type)) throw unsupportedMediaType(accepted)
      const patch = parseBody(await readBody(context.request), type)
      const { object, created } = await patchObject(cluster, target, subresource, type, patch, context)
      return send(context, created ? 201 : 200, object, definition)
    }
    case 'DELETE': {
      if (subresource !== undefined) throw methodNotAllowed()
      const options = readDeleteOptions(await optionalBody(context), query)
      const { object, gone } = cluster.operations.remove(target, options)
      if (!gone || definition.returnsDeleted) return send(context, 200, object, definition)
      return sendJson(context.response, 200, success(definition, name, object.metadata.uid))
    }
    default:
      throw methodNotAllowed()
  }
}

function watch(
  cluster: Cluster,
  definition: ResourceDefinition,
  namespace: string | undefined,
  name: string | undefined,
  { request, response, query }: RequestContext
): void {
  serveWatch(response, {
    store: cluster.store,
    definition,
    namespace,
    name,
    query,
    representation: representation(request, query),
    bookmarkIntervalMs: cluster.bookmarkIntervalMs,
    signal: cluster.signal
  })
}

function send(
  { request, response, query }: RequestContext,
  code: number,
  object: KubeObject,
  definition: ResourceDefinition
): void {
  sendJson(response, code, representation(request, query).object(object, definition))
}

/** DELETE may carry options or nothing; some clients say a type for the nothing. */
async function optionalBody(context: RequestContext): Promise<unknown> {
  const body = await readBody(context.request)
  return body.length === 0 ? undefined : parseBody(body, contentType(context.request))
}
