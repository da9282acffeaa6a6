import { type Fields, isFields, timestamp } from '../objects.ts'
import { type Definitions, fieldSchema, microTime, resolve, type Schema } from './schema.ts'

export interface TypeProblem {
  readonly path: string
  readonly found: string
  readonly wanted: string
}

/** Where a value is not of the type its schema says: what Go would refuse to decode. Null is an absent field. */
export function typeProblems(
  value: unknown,
  schema: Schema | undefined,
  definitions: Definitions,
  path = ''
): TypeProblem[] {
  const wanted = resolve(schema, definitions)
  if (wanted === undefined || value === null || value === undefined) return []
  if (wanted['x-kubernetes-preserve-unknown-fields'] === true && wanted.type === undefined) return []
  const wrong = wrongType(value, wanted)
  if (wrong !== undefined) return [{ path, found: typeName(value), wanted: wrong }]
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => typeProblems(item, wanted.items, definitions, `${path}[${index}]`))
  }
  if (!isFields(value)) return []
  return Object.entries(value).flatMap(([key, field]) =>
    typeProblems(field, fieldSchema(wanted, key, definitions), definitions, path === '' ? key : `${path}.${key}`)
  )
}

function wrongType(value: unknown, schema: Schema): string | undefined {
  if (schema['x-kubernetes-int-or-string'] === true) {
    return typeof value === 'string' || typeof value === 'number' ? undefined : 'intstr.IntOrString'
  }
  switch (schema.type) {
    case 'object':
      return isFields(value) ? undefined : 'object'
    case 'array':
      return Array.isArray(value) ? undefined : 'list'
    case 'string':
      if (typeof value !== 'string') return 'string'
      // Go refuses these while decoding; the empty string stands for no time.
      return schema.format === 'date-time' && value !== '' && Number.isNaN(Date.parse(value)) ? 'time' : undefined
    case 'integer':
      return Number.isSafeInteger(value) && inRange(value as number, schema.format)
        ? undefined
        : (schema.format ?? 'int64')
    case 'number':
      return typeof value === 'number' ? undefined : 'number'
    case 'boolean':
      return typeof value === 'boolean' ? undefined : 'bool'
    default:
      return undefined
  }
}

const inRange = (value: number, format: string | undefined): boolean => format !== 'int32' || (value | 0) === value

function typeName(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'boolean') return 'bool'
  return typeof value === 'number' ? `number ${value}` : typeof value
}

/** Paths of fields the schema does not know. */
export function unknownFields(
  value: unknown,
  schema: Schema | undefined,
  definitions: Definitions,
  path = ''
): string[] {
  const known = resolve(schema, definitions)
  if (known === undefined) return []
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => unknownFields(item, known.items, definitions, `${path}[${index}]`))
  }
  if (!isFields(value) || isOpen(known)) return []
  return Object.entries(value).flatMap(([key, field]) => {
    const at = path === '' ? key : `${path}.${key}`
    const below = fieldSchema(known, key, definitions)
    return below === undefined ? [at] : unknownFields(field, below, definitions, at)
  })
}

/** Takes away what the schema does not know and writes times in Kubernetes' way: how the API server stores objects. */
export function prune(value: unknown, schema: Schema | undefined, definitions: Definitions): unknown {
  const known = resolve(schema, definitions)
  if (known === undefined) return value
  if (typeof value === 'string') return normalTime(value, known.format)
  if (Array.isArray(value)) return value.map(item => prune(item, known.items, definitions))
  if (!isFields(value)) return value
  const open = isOpen(known)
  const result: Fields = {}
  for (const [key, field] of Object.entries(value)) {
    const below = fieldSchema(known, key, definitions)
    if (below !== undefined) result[key] = prune(field, below, definitions)
    else if (open) result[key] = field
  }
  return result
}

/** Any field may be there: no list of properties, or one that is said not to be complete. */
function isOpen(schema: Schema): boolean {
  if (schema['x-kubernetes-preserve-unknown-fields'] === true) return true
  if (schema.additionalProperties === true) return true
  return schema.type !== 'object' && schema.properties === undefined && schema.additionalProperties === undefined
}

/** Times are in whole seconds, those of leases and events in exactly six digits after: Go's clients insist on them. */
function normalTime(value: string, format: string | undefined): string {
  if (format !== 'date-time' && format !== microTime) return value
  const date = new Date(value)
  if (Number.isNaN(date.getTime())) return value
  if (format === 'date-time') return timestamp(date)
  const digits = /\.(\d+)/.exec(value)?.[1] ?? ''
  return timestamp(date).replace('Z', `.${digits.slice(0, 6).padEnd(6, '0')}Z`)
}
