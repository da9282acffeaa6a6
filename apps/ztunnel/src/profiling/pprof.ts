/** What a pprof profile says; its format is `profile.proto` of google/pprof. */
export interface Profile {
  /** What each sample's values count. */
  readonly sampleTypes: readonly ValueType[]
  readonly samples: readonly Sample[]
  /** What one sample stands for. */
  readonly periodType: ValueType
  readonly period: number
  /** Milliseconds since 1970. */
  readonly takenAt: number
  readonly durationNanos?: number
}

export interface ValueType {
  readonly type: string
  readonly unit: string
}

export interface Sample {
  /** Innermost first. */
  readonly stack: readonly Frame[]
  readonly values: readonly number[]
}

export interface Frame {
  readonly name: string
  readonly file: string
  /** Of the function's start, counted from 1; 0: unknown. */
  readonly line: number
}

export function encodeProfile(profile: Profile): Uint8Array {
  const strings = numbering<string>(text => text)
  // Index 0 is the empty string, by definition.
  strings.of('')
  const frames = numbering<Frame>(({ name, file, line }) => `${file}\0${line}\0${name}`)
  const valueType = ({ type, unit }: ValueType): number[] => [
    ...integer(1, strings.of(type)),
    ...integer(2, strings.of(unit))
  ]
  const sampleTypes = profile.sampleTypes.map(valueType)
  // Locations and functions are the same here: ids of both start with 1, in the order in which they appear.
  const samples = profile.samples.map(({ stack, values }) => [
    ...integers(
      1,
      stack.map(frame => frames.of(frame) + 1)
    ),
    ...integers(2, values)
  ])
  const locations = frames.all.map((_, i) => [
    ...integer(1, i + 1),
    ...message(4, [...integer(1, i + 1), ...integer(2, frames.all[i]?.line ?? 0)])
  ])
  const functions = frames.all.map(({ name, file, line }, i) => [
    ...integer(1, i + 1),
    ...integer(2, strings.of(name)),
    ...integer(4, strings.of(file)),
    ...integer(5, line)
  ])
  const periodType = valueType(profile.periodType)
  return Uint8Array.from(
    [
      ...sampleTypes.map(type => message(1, type)),
      ...samples.map(sample => message(2, sample)),
      ...locations.map(location => message(4, location)),
      ...functions.map(each => message(5, each)),
      ...strings.all.map(text => message(6, [...Buffer.from(text)])),
      integer(9, profile.takenAt * 1e6),
      integer(10, profile.durationNanos ?? 0),
      message(11, periodType),
      integer(12, profile.period)
    ].flat()
  )
}

function numbering<Value>(keyOf: (value: Value) => string): { of: (value: Value) => number; all: readonly Value[] } {
  const numbers = new Map<string, number>()
  const all: Value[] = []
  return {
    all,
    of(value) {
      const key = keyOf(value)
      const known = numbers.get(key)
      if (known !== undefined) return known
      numbers.set(key, all.length)
      return all.push(value) - 1
    }
  }
}

/** A field of 0 is left out, as proto3 does. */
const integer = (field: number, value: number): number[] =>
  value === 0 ? [] : [...varint(field << 3), ...varint(value)]

/** Packed. */
const integers = (field: number, values: readonly number[]): number[] => message(field, values.flatMap(varint))

const message = (field: number, bytes: readonly number[]): number[] => [
  ...varint((field << 3) | 2),
  ...varint(bytes.length),
  ...bytes
]

function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = BigInt(Math.max(0, Math.round(value)))
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  bytes.push(Number(rest))
  return bytes
}
