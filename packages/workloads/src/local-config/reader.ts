import { WorkloadsError } from '../errors.ts'
import { plainText } from '../plain-text.ts'

/**
 * Reads values of a parsed file with their place in it, so that every mistake is named: "workloads[0].protocol is
 * "UDP", must be TCP or HBONE". A place is worded only when it is asked for, which is where something is wrong.
 */
export class Reader {
  readonly value: unknown
  readonly #parent: Reader | undefined
  readonly #step: string | number
  readonly #kind: Kind

  private constructor(value: unknown, parent: Reader | undefined, step: string | number, kind: Kind) {
    this.value = value
    this.#parent = parent
    this.#step = step
    this.#kind = kind
  }

  static file(value: unknown): Reader {
    return new Reader(value, undefined, theFile, 'top')
  }

  /** An item of a list that is a field of the file. */
  static item(list: string, position: number, value: unknown): Reader {
    return new Reader(value, new Reader(undefined, undefined, list, 'top'), position, 'element')
  }

  field(name: string, value: unknown): Reader {
    return new Reader(value, this, name, 'field')
  }

  element(position: number, value: unknown): Reader {
    return new Reader(value, this, position, 'element')
  }

  keyOf(key: string): Reader {
    return new Reader(key, this, key, 'key')
  }

  entry(key: string, value: unknown): Reader {
    return new Reader(value, this, key, 'entry')
  }

  get place(): string {
    const step = this.#step
    if (this.#parent === undefined) return `${step}`
    const parent = this.#parent.place
    if (this.#kind === 'element') return `${parent}[${step}]`
    if (this.#kind === 'entry') return `${parent}[${JSON.stringify(step)}]`
    if (this.#kind === 'key') return `a key of ${parent}`
    return parent === theFile ? `${step}` : `${parent}.${step}`
  }
}

type Kind = 'top' | 'field' | 'element' | 'key' | 'entry'

export function wrong({ place, value }: Pick<Reader, 'place' | 'value'>, must: string): WorkloadsError {
  const shown = plainText(JSON.stringify(value) ?? 'missing', maxShown)
  return complaint(`${plainText(place, maxShown)} is ${shown}, must be ${must}`)
}

/** Characters of the file in a message about it. */
const maxShown = 200
const maxMessage = 900

export function complaint(message: string, options?: ErrorOptions): WorkloadsError {
  return new WorkloadsError('WORKLOADS_LOCAL_CONFIG', `local config: ${plainText(message, maxMessage)}`, options)
}

const theFile = 'the file'

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
    return reader.value.map((value, i) => read(reader.element(i, value)))
  }
}

/** An object whose keys are data. */
export function dictionary<Key, Value>(
  readKey: (key: Reader) => Key,
  readValue: (value: Reader) => Value
): (reader: Reader) => ReadonlyMap<Key, Value> {
  return reader => {
    const values = object(reader)
    const entries = new Map<Key, Value>()
    for (const key of Object.keys(values))
      entries.set(readKey(reader.keyOf(key)), readValue(reader.entry(key, values[key])))
    return entries
  }
}

/** Access to an object's fields. */
export interface Fields {
  readonly required: <Value>(name: string, read: (field: Reader) => Value) => Value
  readonly optional: <Value>(name: string, read: (field: Reader) => Value, otherwise: Value) => Value
  /** `{ [name]: value }`, or nothing when the field is absent. */
  readonly present: <Name extends string, Value>(name: Name, read: (field: Reader) => Value) => { [K in Name]?: Value }
}

/** What is read of an object; complains of fields that nobody asked for, unless `ignoreUnknown`. */
export function fields<Result>(
  reader: Reader,
  read: (fields: Fields) => Result,
  { ignoreUnknown = false }: { ignoreUnknown?: boolean } = {}
): Result {
  const values = object(reader)
  const access = new FieldAccess(reader, values)
  const result = read(access)
  // A count is cheap; who is asked for is only noted where somebody is not.
  if (!ignoreUnknown && Object.keys(values).length !== access.found) complainOfUnknown(reader, values, read)
  return result
}

function complainOfUnknown(
  reader: Reader,
  values: Readonly<Record<string, unknown>>,
  read: (fields: Fields) => unknown
): void {
  const asked: string[] = []
  read(new FieldAccess(reader, values, asked))
  const unknown = Object.keys(values).find(name => !asked.includes(name))
  if (unknown === undefined) return
  const known = asked.toSorted().join(', ')
  throw complaint(
    `${plainText(reader.place, maxShown)} has the unknown key ${plainText(unknown, maxShown)}; known are ${known}`
  )
}

class FieldAccess implements Fields {
  readonly #reader: Reader
  readonly #values: Readonly<Record<string, unknown>>
  readonly #asked: string[] | undefined
  /** How many of the fields that were asked for are there. */
  found = 0

  constructor(reader: Reader, values: Readonly<Record<string, unknown>>, asked?: string[]) {
    this.#reader = reader
    this.#values = values
    this.#asked = asked
  }

  required = <Value>(name: string, read: (field: Reader) => Value): Value =>
    read(this.#reader.field(name, this.#value(name)))

  optional = <Value>(name: string, read: (field: Reader) => Value, otherwise: Value): Value => {
    const value = this.#value(name)
    return value === undefined || value === null ? otherwise : read(this.#reader.field(name, value))
  }

  present = <Name extends string, Value>(name: Name, read: (field: Reader) => Value): { [K in Name]?: Value } => {
    const value = this.#value(name)
    if (value === undefined || value === null) return {}
    return { [name]: read(this.#reader.field(name, value)) } as { [K in Name]?: Value }
  }

  #value(name: string): unknown {
    this.#asked?.push(name)
    const value = this.#values[name]
    if (value !== undefined) this.found++
    return value
  }
}

function object(reader: Reader): Readonly<Record<string, unknown>> {
  const { value } = reader
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(reader, 'an object')
  return value as Record<string, unknown>
}
