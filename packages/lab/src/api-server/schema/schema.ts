/** The part of OpenAPI v3 (as Kubernetes uses it, with its extensions) that describes objects here. */
export interface Schema {
  $ref?: string
  type?: string
  format?: string
  description?: string
  nullable?: boolean
  default?: unknown
  enum?: unknown[]
  required?: string[]
  properties?: Record<string, Schema>
  additionalProperties?: Schema | boolean
  items?: Schema
  pattern?: string
  minLength?: number
  maxLength?: number
  minItems?: number
  maxItems?: number
  minProperties?: number
  maxProperties?: number
  minimum?: number
  maximum?: number
  exclusiveMinimum?: boolean
  exclusiveMaximum?: boolean
  allOf?: Schema[]
  anyOf?: Schema[]
  oneOf?: Schema[]
  not?: Schema
  'x-kubernetes-int-or-string'?: boolean
  'x-kubernetes-preserve-unknown-fields'?: boolean
  'x-kubernetes-embedded-resource'?: boolean
  'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map'
  'x-kubernetes-list-map-keys'?: string[]
  'x-kubernetes-map-type'?: 'atomic' | 'granular'
  'x-kubernetes-patch-strategy'?: string
  'x-kubernetes-patch-merge-key'?: string
  'x-kubernetes-group-version-kind'?: { group: string; version: string; kind: string }[]
}

/** The format of a time with microseconds, which OpenAPI has no name of its own for. */
export const microTime = 'micro-time'

/** Schemas by name, as `#/components/schemas/<name>` refers to them. */
export type Definitions = Readonly<Record<string, Schema>>

const prefix = '#/components/schemas/'

export const reference = (name: string): Schema => ({ $ref: prefix + name })

/** What a schema stands for once its reference is followed. */
export function resolve(schema: Schema | undefined, definitions: Definitions): Schema | undefined {
  const name = schema?.$ref?.slice(prefix.length)
  return name === undefined ? schema : definitions[name]
}

/** The schema of a field, or of a map's values. */
export function fieldSchema(schema: Schema | undefined, field: string, definitions: Definitions): Schema | undefined {
  const found = resolve(schema, definitions)
  if (found?.properties !== undefined && Object.hasOwn(found.properties, field)) {
    return resolveKeepingExtensions(found.properties[field]!, definitions)
  }
  return typeof found?.additionalProperties === 'object' ? resolve(found.additionalProperties, definitions) : undefined
}

/** A field may carry extensions beside its reference: they win. */
function resolveKeepingExtensions(schema: Schema, definitions: Definitions): Schema {
  if (schema.$ref === undefined) return schema
  const { $ref: _, ...own } = schema
  return { ...resolve(schema, definitions), ...own }
}
