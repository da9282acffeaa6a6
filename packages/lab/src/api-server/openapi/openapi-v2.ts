import type { Fields } from '../objects.ts'
import type { Registry } from '../registry.ts'
import type { Schema } from '../schema/schema.ts'
import type { Schemas } from '../schema/schemas.ts'
import { versionInfo } from '../version-info.ts'
import { allSchemas, type DocumentedKind, documentedKinds, gvkOf, objectPath, writeParameters } from './kinds.ts'

export interface SwaggerDocument {
  readonly swagger: '2.0'
  readonly info: { readonly title: string; readonly version: string }
  readonly paths: Readonly<Record<string, SwaggerPath>>
  readonly definitions: Readonly<Record<string, Fields>>
}

export interface SwaggerPath {
  readonly patch: SwaggerOperation
}

export interface SwaggerOperation {
  readonly parameters: readonly { readonly name: string; readonly in: 'query'; readonly type: 'string' }[]
  readonly responses: { readonly 200: { readonly description: string } }
  readonly 'x-kubernetes-group-version-kind': Fields
}

/** /openapi/v2: one document for everything, which older clients validate and merge by. */
export function openApiV2(registry: Registry, schemas: Schemas): SwaggerDocument {
  const kinds = documentedKinds(registry)
  const paths = kinds.map(({ definition }) => [objectPath(definition), pathItem(definition)] as const)
  const definitions = Object.entries(allSchemas(kinds, schemas)).map(
    ([name, schema]) => [name, toSwagger(schema)] as const
  )
  return {
    swagger: '2.0',
    info: { title: 'Kubernetes', version: versionInfo.gitVersion },
    paths: Object.fromEntries(paths),
    definitions: Object.fromEntries(definitions)
  }
}

function pathItem(definition: DocumentedKind['definition']): SwaggerPath {
  const parameters = writeParameters.map(name => ({ name, in: 'query', type: 'string' }) as const)
  const responses = { 200: { description: 'OK' } }
  return { patch: { parameters, responses, 'x-kubernetes-group-version-kind': gvkOf(definition) } }
}

/** What Swagger 2.0 has no word for is left open. */
function toSwagger(schema: Schema): Fields {
  if (schema.$ref !== undefined) return { $ref: schema.$ref.replace('#/components/schemas/', '#/definitions/') }
  if (schema['x-kubernetes-int-or-string'] === true) return { type: 'string', format: 'int-or-string' }
  const { properties, additionalProperties, items, anyOf, oneOf, not, allOf, nullable, ...rest } = schema
  // A client would refuse fields it does not find; a schema without properties lets all of them pass.
  if (schema['x-kubernetes-preserve-unknown-fields'] === true) {
    return { ...(schema.type === undefined ? {} : { type: schema.type }), 'x-kubernetes-preserve-unknown-fields': true }
  }
  return {
    ...rest,
    ...(properties === undefined
      ? {}
      : { properties: Object.fromEntries(Object.entries(properties).map(([key, field]) => [key, toSwagger(field)])) }),
    ...(additionalProperties === undefined
      ? {}
      : {
          additionalProperties:
            typeof additionalProperties === 'boolean' ? additionalProperties : toSwagger(additionalProperties)
        }),
    ...(items === undefined ? {} : { items: toSwagger(items) })
  }
}
