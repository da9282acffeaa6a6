import { isFields } from '../objects.ts'
import { bool, message, string } from '../protobuf/wire.ts'
import type { SwaggerDocument, SwaggerOperation } from './openapi-v2.ts'

/**
 * The media type of the form that Go clients insist on. They ask for `…spec.v2@v1.0…`, but cannot parse that in an answer:
 * as Kubernetes, answer with a dot.
 */
export const openApiProtobuf = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'

/** The document in the protobuf form of gnostic's `openapi.v2.Document`; the numbers are its field numbers. */
export function encodeOpenApiV2({ swagger, info, paths, definitions }: SwaggerDocument): Buffer {
  return Buffer.concat([
    string(1, swagger),
    message(2, [string(1, info.title), string(2, info.version)]),
    message(
      8,
      Object.entries(paths).map(([path, { patch }]) => named(2, path, [message(8, operation(patch))]))
    ),
    message(
      9,
      Object.entries(definitions).map(([name, schema]) => named(1, name, encodeSchema(schema)))
    )
  ])
}

/** An entry of a map, which gnostic writes as a list of names with values. */
const named = (field: number, name: string, value: readonly Buffer[]): Buffer =>
  message(field, [string(1, name), message(2, value)])

function operation({ parameters, responses, ...extensions }: SwaggerOperation): Buffer[] {
  const encoded = parameters.map(({ name, in: place, type }) => {
    const queryParameter = message(3, [string(2, place), string(4, name), string(6, type)])
    // ParametersItem → Parameter → NonBodyParameter → QueryParameterSubSchema
    return message(8, [message(1, [message(2, [queryParameter])])])
  })
  const ok = message(9, [named(1, '200', [message(1, [string(1, responses[200].description)])])])
  return [...encoded, ok, ...vendorExtensions(13, extensions)]
}

function encodeSchema(schema: unknown): Buffer[] {
  if (!isFields(schema)) return []
  const parts: Buffer[] = []
  const { $ref, format, description, pattern, required, additionalProperties, type, items, properties } = schema
  if (typeof $ref === 'string') parts.push(string(1, $ref))
  if (typeof format === 'string') parts.push(string(2, format))
  if (typeof description === 'string') parts.push(string(4, description))
  if (typeof pattern === 'string') parts.push(string(12, pattern))
  if (Array.isArray(required)) parts.push(...required.map(name => string(19, String(name))))
  if (Array.isArray(schema.enum))
    parts.push(...schema.enum.map(value => message(20, [string(2, JSON.stringify(value))])))
  if (typeof additionalProperties === 'boolean') parts.push(message(21, [bool(2, additionalProperties)]))
  if (isFields(additionalProperties)) parts.push(message(21, [message(1, encodeSchema(additionalProperties))]))
  if (typeof type === 'string') parts.push(message(22, [string(1, type)]))
  if (items !== undefined) parts.push(message(23, [message(1, encodeSchema(items))]))
  if (isFields(properties)) {
    parts.push(
      message(
        25,
        Object.entries(properties).map(([name, field]) => named(1, name, encodeSchema(field)))
      )
    )
  }
  const extensions = Object.fromEntries(Object.entries(schema).filter(([key]) => key.startsWith('x-')))
  return [...parts, ...vendorExtensions(31, extensions)]
}

/** Extensions are YAML in a string; JSON is YAML. */
function vendorExtensions(field: number, extensions: object): Buffer[] {
  return Object.entries(extensions).map(([name, value]) => named(field, name, [string(2, JSON.stringify(value))]))
}
