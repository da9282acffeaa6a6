import { readFileSync } from 'node:fs'
import protobuf from 'protobufjs'

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

let loaded: protobuf.Type | undefined

/** Read when the first profile is taken. */
function profileType(): protobuf.Type {
  const file = new URL('../../proto/profile.proto', import.meta.url)
  loaded ??= protobuf.parse(readFileSync(file, 'utf8')).root.lookupType('perftools.profiles.Profile')
  return loaded
}

export function encodeProfile(profile: Profile): Uint8Array {
  const strings = numbering<string>(text => text)
  // Index 0 is the empty string, by definition.
  strings.of('')
  const frames = numbering<Frame>(({ name, file, line }) => `${file}\0${line}\0${name}`)
  const valueType = ({ type, unit }: ValueType) => ({ type: strings.of(type), unit: strings.of(unit) })
  const sampleType = profile.sampleTypes.map(valueType)
  const periodType = valueType(profile.periodType)
  // Locations and functions are the same here: ids of both start with 1, in the order in which they appear.
  const sample = profile.samples.map(({ stack, values }) => ({
    locationId: stack.map(frame => frames.of(frame) + 1),
    value: values
  }))
  const location = frames.all.map(({ line }, i) => ({
    id: i + 1,
    line: [{ functionId: i + 1, ...(line > 0 && { line }) }]
  }))
  const functions = frames.all.map(({ name, file, line }, i) => ({
    id: i + 1,
    name: strings.of(name),
    filename: strings.of(file),
    ...(line > 0 && { startLine: line })
  }))
  const message = {
    sampleType,
    sample,
    location,
    function: functions,
    stringTable: strings.all,
    timeNanos: profile.takenAt * 1e6,
    durationNanos: profile.durationNanos,
    periodType,
    period: profile.period
  }
  return profileType().encode(message).finish()
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
