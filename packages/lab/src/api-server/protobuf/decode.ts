import * as client from '@kubernetes/client-node'
import { type Fields, isFields, timestamp } from '../objects.ts'
import { fieldNumbers } from './field-numbers.ts'
import { asBytes, asNumber, ProtobufError, readFields } from './reader.ts'

interface FieldPlan {
  readonly name: string
  readonly type: string
  readonly format: string
  readonly keepZero: boolean
  readonly special: 'quantity' | 'duration' | 'raw' | undefined
}

/** What a field number leads to: a field, or an embedded message whose fields are shown as the outer one's. */
interface Plan {
  readonly fields: Map<number, FieldPlan>
  readonly embedded: Map<number, Plan>
}

interface Attribute {
  readonly baseName: string
  readonly type: string
  readonly format: string
}

/** Bounds the depth of nested messages; no type of Kubernetes comes near it. */
const deepest = 64

const plans = new Map<string, Plan>()

export const isKnownModel = (model: string): boolean => Object.hasOwn(fieldNumbers, model)

/** A message of a model of @kubernetes/client-node as the JSON object it stands for. */
export function decodeMessage(bytes: Buffer, model: string, depth = 0): Fields {
  if (depth > deepest) throw new ProtobufError('messages are nested too deeply')
  const result: Fields = {}
  fillIn(result, bytes, planOf(model), depth)
  return result
}

function planOf(model: string): Plan {
  const known = plans.get(model)
  if (known !== undefined) return known
  const numbers = Object.hasOwn(fieldNumbers, model) ? fieldNumbers[model] : undefined
  if (numbers === undefined) throw new ProtobufError(`the type ${model} is not known in protobuf`)
  const { attributeTypeMap } = (client as unknown as Record<string, { attributeTypeMap: readonly Attribute[] }>)[model]!
  const plan: Plan = { fields: new Map(), embedded: new Map() }
  for (const entry of numbers.split(' ')) {
    const [, name, path, marks] = /^(\w+|\$ref):([\d.]+)([qdr!]*)$/.exec(entry)!
    const { type, format } = attributeTypeMap.find(({ baseName }) => baseName === name)!
    const special = marks!.includes('q')
      ? 'quantity'
      : marks!.includes('d')
        ? 'duration'
        : marks!.includes('r')
          ? 'raw'
          : undefined
    const steps = path!.split('.').map(Number)
    let at = plan
    for (const step of steps.slice(0, -1)) {
      const next = at.embedded.get(step) ?? { fields: new Map(), embedded: new Map() }
      at.embedded.set(step, next)
      at = next
    }
    at.fields.set(steps.at(-1)!, { name: name!, type, format, keepZero: marks!.includes('!'), special })
  }
  plans.set(model, plan)
  return plan
}

function fillIn(target: Fields, bytes: Buffer, plan: Plan, depth: number): void {
  for (const { number, value } of readFields(bytes)) {
    const embedded = plan.embedded.get(number)
    if (embedded !== undefined) {
      fillIn(target, asBytes(value), embedded, depth + 1)
      continue
    }
    const field = plan.fields.get(number)
    // A newer client's field, unknown here as it would be in JSON.
    if (field === undefined) continue
    put(target, field, value, depth)
  }
}

function put(target: Fields, field: FieldPlan, value: bigint | Buffer, depth: number): void {
  const array = /^Array<(.*)>$/.exec(field.type)
  if (array !== null) {
    const list = (target[field.name] ?? []) as unknown[]
    target[field.name] = list
    list.push(decodeValue({ ...field, type: array[1]!, keepZero: true }, value, depth))
    return
  }
  const map = /^\{ \[key: string\]: (.*); \}$/.exec(field.type)
  if (map !== null) {
    const entries = (target[field.name] ?? {}) as Fields
    target[field.name] = entries
    const [key, entry] = decodeEntry(asBytes(value), { ...field, type: map[1]!, keepZero: true }, depth)
    Object.defineProperty(entries, key, { value: entry, enumerable: true, writable: true, configurable: true })
    return
  }
  const decoded = decodeValue(field, value, depth)
  if (decoded === undefined) return
  if (!field.keepZero && (decoded === '' || decoded === 0 || decoded === false)) return
  if (!field.keepZero && isFields(decoded) && Object.keys(decoded).length === 0) return
  target[field.name] = decoded
}

function decodeEntry(bytes: Buffer, field: FieldPlan, depth: number): [string, unknown] {
  let key = ''
  let entry: bigint | Buffer = Buffer.alloc(0)
  for (const { number, value } of readFields(bytes)) {
    if (number === 1) key = asBytes(value).toString('utf8')
    if (number === 2) entry = value
  }
  const list = /^Array<(.*)>$/.exec(field.type)
  // Lists cannot be values of a protobuf map: they come inside a message of their own.
  if (list === null) return [key, decodeValue(field, entry, depth)]
  const items = [...readFields(asBytes(entry))].map(({ value }) =>
    decodeValue({ ...field, type: list[1]! }, value, depth)
  )
  return [key, items]
}

function decodeValue({ type, format, special }: FieldPlan, value: bigint | Buffer, depth: number): unknown {
  if (special === 'quantity') return member(asBytes(value), 1)?.toString('utf8') ?? '0'
  if (special === 'duration') return `${numberMember(asBytes(value), 1) / 1e9}s`
  if (special === 'raw') return rawJson(asBytes(value))
  switch (type) {
    case 'string':
      if (format === 'byte') return asBytes(value).toString('base64')
      return asBytes(value).toString('utf8')
    case 'boolean':
      return asNumber(value) !== 0
    case 'number':
      return format === 'double' ? asBytes(value).readDoubleLE() : asNumber(value)
    case 'Date':
    case 'V1MicroTime':
      return time(asBytes(value), type === 'V1MicroTime')
    case 'IntOrString':
      return intOrString(asBytes(value))
    case 'any':
      return rawJson(asBytes(value))
    default:
      return decodeMessage(asBytes(value), type, depth + 1)
  }
}

/** The zero time is an empty message. */
function time(bytes: Buffer, micro: boolean): string | undefined {
  if (bytes.length === 0) return undefined
  const milliseconds = numberMember(bytes, 1) * 1000
  const date = new Date(milliseconds)
  if (Number.isNaN(date.getTime())) throw new ProtobufError('a time is out of range')
  if (!micro) return timestamp(date)
  const micros = Math.floor(numberMember(bytes, 2) / 1000)
  return timestamp(date).replace('Z', `.${String(micros).padStart(6, '0')}Z`)
}

function intOrString(bytes: Buffer): number | string {
  const isString = numberMember(bytes, 1) === 1
  return isString ? (member(bytes, 3)?.toString('utf8') ?? '') : numberMember(bytes, 2)
}

function rawJson(bytes: Buffer): unknown {
  const raw = member(bytes, 1)
  if (raw === undefined || raw.length === 0) return undefined
  try {
    return JSON.parse(raw.toString('utf8'))
  } catch (error) {
    throw new ProtobufError('raw JSON inside a message cannot be parsed', { cause: error })
  }
}

/** The last value of a field of bytes. */
export function member(bytes: Buffer, number: number): Buffer | undefined {
  const last = [...readFields(bytes)].findLast(field => field.number === number)
  return last === undefined ? undefined : asBytes(last.value)
}

function numberMember(bytes: Buffer, number: number): number {
  const last = [...readFields(bytes)].findLast(field => field.number === number)
  return last === undefined ? 0 : asNumber(last.value)
}
