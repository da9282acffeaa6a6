import type { DeleteOptions } from './deletion.ts'
import { type Fields, isFields } from './objects.ts'
import { numberOption } from './list-options.ts'
import { badRequest } from './status.ts'

/** From the body of a DELETE, if it has one, and its query. */
export function readDeleteOptions(body: unknown, query: URLSearchParams): DeleteOptions {
  const given: Fields = isFields(body) ? body : {}
  const grace = given.gracePeriodSeconds ?? numberOption(query, 'gracePeriodSeconds')
  if (grace !== undefined && !(typeof grace === 'number' && Number.isSafeInteger(grace))) {
    throw badRequest('gracePeriodSeconds: must be a whole number')
  }
  const orphan = given.orphanDependents === true || query.get('orphanDependents') === 'true'
  const policy = given.propagationPolicy ?? query.get('propagationPolicy') ?? (orphan ? 'Orphan' : undefined)
  if (policy !== undefined && policy !== 'Orphan' && policy !== 'Background' && policy !== 'Foreground') {
    throw badRequest('propagationPolicy: must be one of Orphan, Background, Foreground')
  }
  const { uid, resourceVersion } = isFields(given.preconditions) ? given.preconditions : {}
  const asked = [given.dryRun, query.getAll('dryRun')].flat()
  return {
    ...(grace === undefined ? {} : { gracePeriodSeconds: grace }),
    ...(policy === undefined ? {} : { propagationPolicy: policy }),
    preconditions: {
      ...(typeof uid === 'string' ? { uid } : {}),
      ...(typeof resourceVersion === 'string' ? { resourceVersion } : {})
    },
    dryRun: asked.includes('All')
  }
}
