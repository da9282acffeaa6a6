import type { Json } from './discovery-messages.ts'

/** google.protobuf.Struct and Value in protobufjs's shape. */
export interface StructMessage {
  readonly fields?: Readonly<Record<string, ValueMessage>>
}

export interface ValueMessage {
  readonly nullValue?: number
  readonly numberValue?: number
  readonly stringValue?: string
  readonly boolValue?: boolean
  readonly structValue?: StructMessage
  readonly listValue?: { readonly values?: readonly ValueMessage[] }
}

export function structFromJson(object: { readonly [key: string]: Json }): StructMessage {
  return { fields: Object.fromEntries(Object.entries(object).map(([key, value]) => [key, valueFromJson(value)])) }
}

export function structToJson(struct: StructMessage): { readonly [key: string]: Json } {
  return Object.fromEntries(Object.entries(struct.fields ?? {}).map(([key, value]) => [key, valueToJson(value)]))
}

function valueFromJson(value: Json): ValueMessage {
  if (value === null) return { nullValue: 0 }
  if (typeof value === 'boolean') return { boolValue: value }
  if (typeof value === 'number') return { numberValue: value }
  if (typeof value === 'string') return { stringValue: value }
  if (isList(value)) return { listValue: { values: value.map(valueFromJson) } }
  return { structValue: structFromJson(value) }
}

/** A Value without a kind reads as null. */
function valueToJson(value: ValueMessage): Json {
  if (value.stringValue !== undefined) return value.stringValue
  if (value.boolValue !== undefined) return value.boolValue
  if (value.numberValue !== undefined) return value.numberValue
  if (value.structValue !== undefined) return structToJson(value.structValue)
  if (value.listValue !== undefined) return (value.listValue.values ?? []).map(valueToJson)
  return null
}

// Array.isArray does not narrow a union with a readonly array.
const isList = (value: Json): value is readonly Json[] => Array.isArray(value)
