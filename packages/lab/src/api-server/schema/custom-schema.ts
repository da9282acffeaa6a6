import { copy, equal, type Fields, isFields } from '../objects.ts'
import { invalidValue, notSupported, required } from '../validation/field-errors.ts'
import type { FieldError } from '../status.ts'
import { reference, type Schema } from './schema.ts'

/** The schema of a custom kind with what every object has: the metadata and the names of its type. */
export function withObjectFields(schema: Schema): Schema {
  const { properties = {}, ...rest } = schema
  const fixed = {
    apiVersion: { type: 'string' },
    kind: { type: 'string' },
    metadata: reference('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta')
  }
  return { ...rest, type: 'object', properties: { ...properties, ...fixed } }
}

/** Sets what a schema has defaults for. */
export function applyDefaults(value: unknown, schema: Schema | undefined): void {
  if (schema === undefined) return
  if (Array.isArray(value)) {
    for (const item of value) applyDefaults(item, schema.items)
    return
  }
  if (!isFields(value)) return
  for (const [key, field] of Object.entries(schema.properties ?? {})) {
    if (value[key] === undefined && field.default !== undefined) value[key] = copy(field.default)
    // A null where null is not allowed is taken for an absent field.
    if (value[key] === null && field.nullable !== true) {
      if (field.default === undefined) delete value[key]
      else value[key] = copy(field.default)
    }
    applyDefaults(value[key], field)
  }
  if (isFields(schema.additionalProperties)) {
    for (const [key, field] of Object.entries(value)) {
      if (!Object.hasOwn(schema.properties ?? {}, key)) applyDefaults(field, schema.additionalProperties)
    }
  }
}

/**
 * What an object has against its structural schema, in the words of Kubernetes. CEL rules
 * (`x-kubernetes-validations`) are not evaluated.
 */
export function validateAgainst(value: unknown, schema: Schema | undefined, path: string): FieldError[] {
  if (schema === undefined || value === undefined) return []
  if (schema.$ref !== undefined) return []
  if (value === null) return schema.nullable === true ? [] : [typeError(path, 'null', schema.type ?? 'object')]
  if (schema['x-kubernetes-int-or-string'] === true) {
    const fits = typeof value === 'string' || Number.isInteger(value)
    return fits ? [] : [typeError(path, typeOf(value), 'integer,string')]
  }
  if (schema.type !== undefined && !hasType(value, schema.type)) return [typeError(path, typeOf(value), schema.type)]
  const errors: FieldError[] = []
  if (schema.enum !== undefined && !schema.enum.some(one => equal(one, value))) {
    errors.push(notSupported(path, value, schema.enum.map(String)))
  }
  if (typeof value === 'string') errors.push(...validateString(value, schema, path))
  if (typeof value === 'number') errors.push(...validateNumber(value, schema, path))
  if (Array.isArray(value)) errors.push(...validateList(value, schema, path))
  if (isFields(value)) errors.push(...validateObject(value, schema, path))
  for (const part of schema.allOf ?? []) errors.push(...validateAgainst(value, part, path))
  const fitting = (schemas: Schema[]): number =>
    schemas.filter(one => validateAgainst(value, one, path).length === 0).length
  if (schema.anyOf !== undefined && fitting(schema.anyOf) === 0) {
    errors.push(invalidValue(path, printed(value), `${inBody(path)} must validate at least one schema (anyOf)`))
  }
  if (schema.oneOf !== undefined && fitting(schema.oneOf) !== 1) {
    errors.push(invalidValue(path, printed(value), `${inBody(path)} must validate one and only one schema (oneOf)`))
  }
  if (schema.not !== undefined && fitting([schema.not]) === 1) {
    errors.push(invalidValue(path, printed(value), `${inBody(path)} must not validate the schema (not)`))
  }
  return errors
}

const inBody = (path: string): string => (path === '' ? '<nil>' : `${path} in body`)
const printed = (value: unknown): unknown => (isFields(value) || Array.isArray(value) ? typeOf(value) : value)

function typeError(path: string, found: string, wanted: string): FieldError {
  const error = invalidValue(path, found, `${inBody(path)} must be of type ${wanted}: "${found}"`)
  return { ...error, reason: 'FieldValueTypeInvalid' }
}

function typeOf(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  if (value === null) return 'null'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return typeof value
}

function hasType(value: unknown, type: string): boolean {
  const found = typeOf(value)
  return found === type || (type === 'number' && found === 'integer')
}

function validateString(value: string, schema: Schema, path: string): FieldError[] {
  const errors: FieldError[] = []
  const length = [...value].length
  if (schema.minLength !== undefined && length < schema.minLength) {
    errors.push(invalidValue(path, value, `${inBody(path)} should be at least ${schema.minLength} chars long`))
  }
  if (schema.maxLength !== undefined && length > schema.maxLength) {
    errors.push({
      reason: 'FieldValueTooLong',
      field: path,
      message: `Too long: may not be more than ${schema.maxLength} bytes`
    })
  }
  if (schema.pattern !== undefined && !matches(schema.pattern, value)) {
    errors.push(invalidValue(path, value, `${inBody(path)} should match '${schema.pattern}'`))
  }
  return errors
}

/** Patterns are Go's; one that is not JavaScript's too is left unchecked. */
function matches(pattern: string, value: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(value)
  } catch {
    return true
  }
}

function validateNumber(value: number, schema: Schema, path: string): FieldError[] {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema
  const errors: FieldError[] = []
  if (minimum !== undefined && (exclusiveMinimum === true ? value <= minimum : value < minimum)) {
    errors.push(
      invalidValue(
        path,
        value,
        `${inBody(path)} should be greater than ${exclusiveMinimum === true ? '' : 'or equal to '}${minimum}`
      )
    )
  }
  if (maximum !== undefined && (exclusiveMaximum === true ? value >= maximum : value > maximum)) {
    errors.push(
      invalidValue(
        path,
        value,
        `${inBody(path)} should be less than ${exclusiveMaximum === true ? '' : 'or equal to '}${maximum}`
      )
    )
  }
  return errors
}

function validateList(value: unknown[], schema: Schema, path: string): FieldError[] {
  const errors = value.flatMap((item, index) => validateAgainst(item, schema.items, `${path}[${index}]`))
  if (schema.minItems !== undefined && value.length < schema.minItems) {
    errors.push(invalidValue(path, value.length, `${inBody(path)} should have at least ${schema.minItems} items`))
  }
  if (schema.maxItems !== undefined && value.length > schema.maxItems) {
    errors.push({
      reason: 'FieldValueInvalid',
      field: path,
      message: `Too many: ${value.length}: must have at most ${schema.maxItems} items`
    })
  }
  const keys = schema['x-kubernetes-list-map-keys'] ?? []
  const identity = (item: unknown): unknown => (keys.length > 0 && isFields(item) ? keys.map(key => item[key]) : item)
  if (schema['x-kubernetes-list-type'] === 'set' || schema['x-kubernetes-list-type'] === 'map') {
    const seen = new Set<string>()
    for (const [index, item] of value.entries()) {
      const text = JSON.stringify(identity(item))
      if (seen.has(text))
        errors.push({
          reason: 'FieldValueDuplicate',
          field: `${path}[${index}]`,
          message: `Duplicate value: ${text.slice(0, 200)}`
        })
      seen.add(text)
    }
  }
  return errors
}

function validateObject(value: Fields, schema: Schema, path: string): FieldError[] {
  const at = (key: string): string => (path === '' ? key : `${path}.${key}`)
  const errors = (schema.required ?? []).filter(key => value[key] === undefined).map(key => required(at(key), ''))
  for (const [key, field] of Object.entries(value)) {
    const known = Object.hasOwn(schema.properties ?? {}, key) ? schema.properties?.[key] : undefined
    const open = isFields(schema.additionalProperties) ? (schema.additionalProperties as Schema) : undefined
    errors.push(...validateAgainst(field, known ?? open, at(key)))
  }
  const count = Object.keys(value).length
  if (schema.minProperties !== undefined && count < schema.minProperties) {
    errors.push(invalidValue(path, count, `${inBody(path)} should have at least ${schema.minProperties} properties`))
  }
  if (schema.maxProperties !== undefined && count > schema.maxProperties) {
    errors.push(invalidValue(path, count, `${inBody(path)} should have at most ${schema.maxProperties} properties`))
  }
  return errors
}
