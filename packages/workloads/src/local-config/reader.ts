import { WorkloadsError } from '../errors.ts'
import { plainText } from '../plain-text.ts'

/**
 * Reads values of a parsed file with their place in it, so that every mistake is named: "workloads[0].protocol is
 * "UDP", must be TCP or HBONE".
 */
export interface Reader {
  readonly place: string
  readonly value: unknown
}

export function wrong({ place, value }: Reader, must: string): WorkloadsError {
  const shown = plainText(JSON.stringify(value) ?? 'missing', maxShown)
  return complaint(`${plainText(place, maxShown)} is ${shown}, must be ${must}`)
}

/** Characters of the file in a message about it. */
const maxShown = 200
const maxMessage = 900

export function complaint(message: string, options?: ErrorOptions): WorkloadsError {
  return new WorkloadsError('WORKLOADS_LOCAL_CONFIG', `local config: ${plainText(message, maxMessage)}`, options)
}

export const theFile = 'the file'

export function text(reader: Reader): string {
  if (typeof reader.value !== 'string') throw wrong(reader, 'a string')
  return reader.value
}

export function flag(reader: Reader): boolean {
  if (typeof reader.value !== 'boolean') throw wrong(reader, 'true or false')
  return reader.value
}

export function wholeNumber(max: number): (reader: Reader) => number {
  return reader => {
    const { value } = reader
    if (!Number.isInteger(value) || Number(value) < 0 || Number(value) > max)
      throw wrong(reader, `a number up to ${max}`)
    return Number(value)
  }
}

export const portNumber: (reader: Reader) => number = wholeNumber(65535)

export function oneOf<Choice extends string>(...choices: readonly Choice[]): (reader: Reader) => Choice {
  return reader => {
    const found = choices.find(choice => choice === reader.value)
    if (found === undefined) throw wrong(reader, choices.join(' or '))
    return found
  }
}

export function list<Element>(read: (element: Reader) => Element): (reader: Reader) => readonly Element[] {
  return reader => {
    if (!Array.isArray(reader.value)) throw wrong(reader, 'a list')
    return reader.value.map((value, i) => read({ place: `${reader.place}[${i}]`, value }))
  }
}

/** An object whose keys are data. */
export function dictionary<Key, Value>(
  readKey: (key: Reader) => Key,
  readValue: (value: Reader) => Value
): (reader: Reader) => ReadonlyMap<Key, Value> {
  return reader =>
    new Map(
      Object.entries(object(reader)).map(([key, value]) => [
        readKey({ place: `a key of ${reader.place}`, value: key }),
        readValue({ place: `${reader.place}[${JSON.stringify(key)}]`, value })
      ])
    )
}

/** Access to an object's fields; at the end `finish` complains about those nobody asked for. */
export interface Fields {
  readonly required: <Value>(name: string, read: (field: Reader) => Value) => Value
  readonly optional: <Value>(name: string, read: (field: Reader) => Value, otherwise: Value) => Value
  /** `{ [name]: value }`, or nothing when the field is absent. */
  readonly present: <Name extends string, Value>(name: Name, read: (field: Reader) => Value) => { [K in Name]?: Value }
}

export function fields<Result>(
  reader: Reader,
  read: (fields: Fields) => Result,
  { ignoreUnknown = false }: { ignoreUnknown?: boolean } = {}
): Result {
  const values = object(reader)
  const asked = new Set<string>()
  const field = (name: string): Reader => {
    asked.add(name)
    return { place: reader.place === theFile ? name : `${reader.place}.${name}`, value: values[name] }
  }
  const isAbsent = ({ value }: Reader): boolean => value === undefined || value === null
  const result = read({
    required: (name, readField) => readField(field(name)),
    optional(name, readField, otherwise) {
      const found = field(name)
      return isAbsent(found) ? otherwise : readField(found)
    },
    present(name, readField) {
      const found = field(name)
      return (isAbsent(found) ? {} : { [name]: readField(found) }) as {
        [K in typeof name]?: ReturnType<typeof readField>
      }
    }
  })
  const unknown = Object.keys(values).find(name => !asked.has(name))
  if (unknown !== undefined && !ignoreUnknown) {
    throw complaint(
      `${plainText(reader.place, maxShown)} has the unknown key ${plainText(unknown, maxShown)}; known are ${[...asked].sort().join(', ')}`
    )
  }
  return result
}

function object(reader: Reader): Readonly<Record<string, unknown>> {
  const { value } = reader
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(reader, 'an object')
  return value as Record<string, unknown>
}
