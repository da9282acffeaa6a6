import { groupVersion } from './object-metadata.ts'
import { timestamp } from './objects.ts'
import type { Manager } from './patch/managed-fields.ts'
import { contentType } from './request-body.ts'
import type { RequestContext } from './request-context.ts'
import type { ResourceDefinition } from './resource-definition.ts'

const longestName = 128

export const isApply = ({ method, request }: RequestContext): boolean =>
  method === 'PATCH' && contentType(request) === 'application/apply-patch+yaml'

/** Who writes: the request says it, or else the name of the client's program. */
export function managerOf(
  { query, request }: RequestContext,
  definition: ResourceDefinition,
  subresource: string | undefined,
  operation: Manager['operation'],
  now: Date
): Manager {
  const agent = (request.headers['user-agent'] ?? '').split('/')[0] ?? ''
  const given = query.get('fieldManager') || agent || 'unknown'
  const name = given.replace(/[^\x20-\x7e]/g, '').slice(0, longestName)
  return { name, operation, apiVersion: groupVersion(definition), subresource, time: timestamp(now) }
}
