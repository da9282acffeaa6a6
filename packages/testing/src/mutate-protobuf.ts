import { type Mutable, mutate } from './mutate.ts'
import type { Random } from './random.ts'

/** As on the wire: field number and wire type, and what follows, of which submessages are taken apart again. */
interface Field {
  number: number
  wire: number
  value: bigint | Buffer | Field[]
}

const wire = { varint: 0, fixed64: 1, length: 2, fixed32: 5 } as const
const maxDepth = 8
/** With more there are no further changes: copies of copies add up. */
const mostFields = 1_000
const integers = [
  0n,
  1n,
  2n,
  3n,
  7n,
  127n,
  128n,
  255n,
  256n,
  65_535n,
  65_536n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 64n - 1n
]

/**
 * Changes a protobuf message field by field, so that the lengths around a change are right. What is no message is
 * changed byte by byte, and so is one in four that is.
 */
export function mutateProtobuf(random: Random, from: Mutable): Buffer {
  const fields = random.chance(0.75) ? read(from.input, 0) : undefined
  if (fields === undefined) return mutate(random, from)
  const others = read(from.other, 0) ?? []
  do change(random, random.pick(lists(fields)), others, from)
  while (random.chance(0.5) && lists(fields).flat().length < mostFields)
  return write(fields).subarray(0, from.maxBytes)
}

function change(random: Random, fields: Field[], others: Field[], from: Mutable): void {
  const at = random.below(fields.length + 1)
  const field = fields[at]
  const kind = random.below(field === undefined ? 2 : 8)
  if (kind === 0) fields.splice(at, 0, { number: random.between(1, 32), ...anyValue(random, from) })
  else if (kind === 1) {
    const donors = random.pick(lists(others))
    const [donor] = donors.length === 0 ? [] : [random.pick(donors)]
    if (donor !== undefined) fields.splice(at, 0, copy(donor))
  } else if (kind === 2) fields.splice(at, 1)
  else if (kind === 3) fields.push(...Array.from({ length: 2 ** random.between(0, 6) }, () => copy(field!)))
  else if (kind === 4) field!.number = random.chance(0.9) ? random.between(1, 32) : random.between(0, 2 ** 29 - 1)
  else if (kind === 5) field!.value = [copy(field!)]
  else if (Buffer.isBuffer(field!.value)) field!.value = mutate(random, { ...from, input: field!.value })
  else Object.assign(field!, anyValue(random, from))
  if (field !== undefined && typeof field.value === 'object' && field.wire === wire.varint) field.wire = wire.length
}

function anyValue(random: Random, { words }: Mutable): Pick<Field, 'wire' | 'value'> {
  if (random.chance(0.5)) return { wire: wire.varint, value: random.pick(integers) }
  if (words.length > 0 && random.chance(0.7)) return { wire: wire.length, value: random.pick(words) }
  const size = random.pick([0, 1, 4, 16, 20])
  return { wire: wire.length, value: random.bytes(size) }
}

const copy = (field: Field): Field => ({
  ...field,
  value: Array.isArray(field.value) ? field.value.map(copy) : field.value
})

/** The message and every message inside it. */
const lists = (fields: Field[]): Field[][] => [
  fields,
  ...fields.flatMap(({ value }) => (Array.isArray(value) ? lists(value) : []))
]

/** Undefined for bytes that are no message. */
function read(bytes: Buffer, depth: number): Field[] | undefined {
  const fields: Field[] = []
  let at = 0
  const varint = (): bigint | undefined => {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++]
      if (byte === undefined) return undefined
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    return undefined
  }
  while (at < bytes.length) {
    const tag = varint()
    if (tag === undefined || tag >> 3n === 0n || tag >= 2n ** 32n) return undefined
    const [number, type] = [Number(tag >> 3n), Number(tag & 7n)]
    if (type === wire.varint) {
      const value = varint()
      if (value === undefined) return undefined
      fields.push({ number, wire: type, value })
      continue
    }
    const size =
      type === wire.fixed64 ? 8 : type === wire.fixed32 ? 4 : type === wire.length ? Number(varint() ?? -1) : -1
    if (size < 0 || at + size > bytes.length) return undefined
    const part = bytes.subarray(at, at + size)
    at += size
    const inner = type === wire.length && size > 1 && depth < maxDepth ? read(part, depth + 1) : undefined
    fields.push({ number, wire: type, value: inner ?? part })
  }
  return fields
}

function write(fields: readonly Field[]): Buffer {
  return Buffer.concat(
    fields.flatMap(({ number, wire: type, value }) => {
      const tag = varintBytes(BigInt(number) * 8n + BigInt(type))
      if (typeof value === 'bigint') return [tag, varintBytes(value)]
      const bytes = Buffer.isBuffer(value) ? value : write(value)
      return type === wire.length ? [tag, varintBytes(BigInt(bytes.length)), bytes] : [tag, bytes]
    })
  )
}

function varintBytes(value: bigint): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  return Buffer.of(...bytes, Number(rest))
}
