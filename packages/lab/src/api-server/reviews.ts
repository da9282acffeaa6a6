import { issuer } from './auth/service-account-tokens.ts'
import type { Cluster } from './cluster-state.ts'
import { type Fields, isFields } from './objects.ts'
import { contentType, parseObject, readBody } from './request-body.ts'
import { type RequestContext, sendJson } from './request-context.ts'
import { methodNotAllowed } from './status.ts'
import { virtualResources } from './subresources/known-subresources.ts'

/**
 * The kinds that are answered and not stored: who holds a token, who am I, may I. Access reviews always say yes, because
 * this server stores RBAC objects without enforcing them.
 */
export async function handleReview(
  cluster: Cluster,
  { group, version, plural }: { group: string; version: string; plural: string },
  context: RequestContext
): Promise<boolean> {
  const review = virtualResources.find(one => one.group === group && one.version === version && one.plural === plural)
  if (review === undefined) return false
  if (context.method !== 'POST') throw methodNotAllowed()
  const body = parseObject(await readBody(context.request), contentType(context.request))
  const spec = isFields(body.spec) ? body.spec : {}
  const metadata = isFields(body.metadata) ? body.metadata : {}
  const status = await answer(cluster, review.kind, spec, context)
  sendJson(context.response, 201, { kind: review.kind, apiVersion: `${group}/${version}`, metadata, spec, status })
  return true
}

async function answer({ tokens }: Cluster, kind: string, spec: Fields, { user }: RequestContext): Promise<Fields> {
  if (kind === 'SelfSubjectReview') return { userInfo: user }
  if (kind !== 'TokenReview') return { allowed: true, reason: 'the lab does not enforce RBAC' }
  const audiences = Array.isArray(spec.audiences) ? spec.audiences.map(String) : []
  if (typeof spec.token !== 'string' || spec.token === '') return { user: {}, error: 'no token' }
  const verdict = await tokens.verify(spec.token, audiences.length === 0 ? [issuer] : audiences)
  if (!verdict.valid) return { user: {}, error: `[invalid bearer token, ${verdict.reason}]` }
  return { authenticated: true, user: verdict.user, audiences: verdict.audiences }
}
