import type { Cluster } from '../cluster-state.ts'
import { type RequestContext, sendJson, sendText } from '../request-context.ts'
import { methodNotAllowed } from '../status.ts'
import { openApiV2 } from './openapi-v2.ts'
import { encodeOpenApiV2, openApiProtobuf } from './openapi-v2-protobuf.ts'
import { openApiV3, openApiV3Index } from './openapi-v3.ts'

/** Serves what is below /openapi; false for a path that is not there. */
export function serveOpenApi(
  { registry, schemas }: Cluster,
  parts: readonly string[],
  context: RequestContext
): boolean {
  const [root, version, ...path] = parts
  if (root !== 'openapi') return false
  const { method, request, response } = context
  if (method !== 'GET') throw methodNotAllowed()
  if (version === 'v2' && path.length === 0) {
    const document = openApiV2(registry, schemas)
    // The name may come with a second version of it beside the first; what counts is that protobuf is asked for.
    const protobuf = (request.headers.accept ?? '').includes('proto-openapi.spec.v2')
    if (protobuf) sendText(response, 200, encodeOpenApiV2(document), openApiProtobuf)
    else sendJson(response, 200, document)
    return true
  }
  if (version !== 'v3') return false
  const document = path.length === 0 ? openApiV3Index(registry) : openApiV3(registry, schemas, path.join('/'))
  if (document === undefined) return false
  sendJson(response, 200, document)
  return true
}
