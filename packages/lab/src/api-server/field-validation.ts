import { printable } from './object-metadata.ts'
import type { Fields } from './objects.ts'
import { type RequestContext, warn } from './request-context.ts'
import type { ResourceDefinition } from './resource-definition.ts'
import { typeProblems, unknownFields } from './schema/check-types.ts'
import type { Schemas } from './schema/schemas.ts'
import { badRequest } from './status.ts'

/** Kubernetes' default: say what is unknown, and go on. */
const defaultValidation = 'Warn'

/**
 * Refuses what Go could not decode. Fields the kind does not have are refused, warned of or ignored as the request's
 * `fieldValidation` says; they are never stored.
 */
export function checkFields(
  body: Fields,
  definition: ResourceDefinition,
  schemas: Schemas,
  { query, response }: Pick<RequestContext, 'query' | 'response'>
): void {
  const schema = schemas.of(definition)
  if (definition.builtIn) {
    const [problem] = typeProblems(body, schema, schemas.definitions)
    if (problem !== undefined) {
      const { path, found, wanted } = problem
      throw badRequest(
        `${definition.kind} in version "${definition.version}" cannot be handled as a ${definition.kind}: json: cannot ` +
          `unmarshal ${found} into Go struct field ${definition.kind}.${printable(path)} of type ${wanted}`
      )
    }
  }
  const mode = query.get('fieldValidation') ?? defaultValidation
  if (!['Strict', 'Warn', 'Ignore', ''].includes(mode)) {
    throw badRequest(
      `fieldValidation: Unsupported value: "${printable(mode)}": supported values: "Ignore", "Strict", "Warn"`
    )
  }
  if (mode === 'Ignore') return
  const unknown = unknownFields(body, schema, schemas.definitions).map(path => `unknown field "${printable(path)}"`)
  if (unknown.length === 0) return
  if (mode === 'Strict') {
    throw badRequest(
      `${definition.kind} in version "${definition.version}" cannot be handled as a ${definition.kind}: strict decoding error: ${unknown.join(', ')}`
    )
  }
  for (const text of unknown.slice(0, 20)) warn(response, text)
}
