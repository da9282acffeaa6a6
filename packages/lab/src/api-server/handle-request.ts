import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Authenticate } from './auth/authenticate.ts'
import { issuer } from './auth/service-account-tokens.ts'
import type { Cluster } from './cluster-state.ts'
import { discovery } from './discovery.ts'
import { serveOpenApi } from './openapi/serve-openapi.ts'
import { type RequestContext, sendJson, sendStatusError, sendText } from './request-context.ts'
import { parseResourcePath, splitPath } from './request-info.ts'
import { handleResource } from './resource-handler.ts'
import { handleReview } from './reviews.ts'
import { internalError, methodNotAllowed, noSuchPath, StatusError } from './status.ts'
import { versionInfo } from './version-info.ts'

/** Serves one request to its end. Never rejects: what fails is answered, and reported when it is our fault. */
export async function handleRequest(
  cluster: Cluster,
  authenticate: Authenticate,
  request: IncomingMessage,
  response: ServerResponse,
  onError: (error: unknown) => void
): Promise<void> {
  response.on('error', () => {}) // The client has gone away.
  try {
    await route(cluster, authenticate, request, response)
  } catch (error) {
    if (request.socket.destroyed) return
    if (!(error instanceof StatusError)) onError(error)
    sendStatusError(response, error instanceof StatusError ? error : internalError('see the log of the API server'))
  }
}

async function route(
  cluster: Cluster,
  authenticate: Authenticate,
  request: IncomingMessage,
  response: ServerResponse
): Promise<void> {
  const [path, search] = cut(request.url ?? '/', '?')
  const parts = splitPath(path)
  if (servePublic(parts, request, response)) return
  const user = await authenticate(request)
  const query = new URLSearchParams(search)
  // HEAD is GET without the body, which node:http leaves out by itself.
  const method = request.method === 'HEAD' ? 'GET' : (request.method ?? 'GET')
  const context: RequestContext = { request, response, method, query, user }
  const resource = parseResourcePath(parts)
  if (serveOpenApi(cluster, parts, context)) return
  if (resource === undefined) return serveDocument(cluster, parts, context)
  const definition = cluster.registry.find(resource.group, resource.version, resource.plural)
  if (definition !== undefined) return handleResource(cluster, definition, resource, context)
  if (resource.name === undefined && (await handleReview(cluster, resource, context))) return
  throw noSuchPath()
}

/** What Kubernetes shows to anyone. */
function servePublic(parts: readonly string[], request: IncomingMessage, response: ServerResponse): boolean {
  const [first, ...rest] = parts
  if (first === 'healthz' || first === 'livez' || first === 'readyz') {
    if (rest.length > 1) return false
    sendText(response, 200, 'ok', 'text/plain; charset=utf-8')
    return true
  }
  if (first !== 'version' || rest.length > 0) return false
  if (request.method !== 'GET' && request.method !== 'HEAD') throw methodNotAllowed()
  sendJson(response, 200, versionInfo)
  return true
}

function serveDocument(cluster: Cluster, parts: readonly string[], { method, response }: RequestContext): void {
  const document = discovery(cluster.registry, parts) ?? wellKnown(cluster, parts)
  if (document === undefined) throw noSuchPath()
  if (method !== 'GET') throw methodNotAllowed()
  sendJson(response, 200, document)
}

function wellKnown({ tokens, registry }: Cluster, parts: readonly string[]): unknown {
  switch (parts.join('/')) {
    case '':
      return {
        paths: [
          '/api',
          '/api/v1',
          '/apis',
          ...registry
            .all()
            .map(one => `/apis/${one.group}/${one.version}`)
            .filter((one, index, all) => !one.startsWith('/apis//') && all.indexOf(one) === index),
          '/healthz',
          '/livez',
          '/openapi/v2',
          '/openapi/v3',
          '/readyz',
          '/version'
        ]
      }
    case 'openid/v1/jwks':
      return tokens.jwks
    case '.well-known/openid-configuration':
      return {
        issuer,
        jwks_uri: `${issuer}/openid/v1/jwks`,
        response_types_supported: ['id_token'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['ES256']
      }
    default:
      return undefined
  }
}

function cut(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}
