import { inline, openList, openMap } from './block-inline.ts'
import { type KnownKey, keyAt, type Template } from './block-keys.ts'
import { doubt } from './block-scalars.ts'

/** What `blockValue` returns for text that it leaves to the YAML parser. */
export const notSimple: unique symbol = Symbol('not simple')

/**
 * One item of a block sequence, a part of a text, as a value, for the plainest YAML: block mappings and sequences, flat
 * flow ones, and scalars of one line without escapes, in ASCII. Twenty times as fast as the parser, and never of another
 * opinion: at the least doubt it says so.
 */
export function blockValue(text: string, start = 0, end: number = text.length): unknown {
  try {
    return new ItemReader(text, start, end).item()
  } catch (error) {
    // The other: too deep.
    if (error === doubt || error instanceof RangeError) return notSimple
    throw error
  }
}

const space = 0x20
const newline = 0x0a
const dash = 0x2d
const hash = 0x23
const colon = 0x3a

/** Stands before the next line with something on it, which is taken apart in place: slices of it would be most of the work. */
class ItemReader {
  readonly #text: string
  readonly #textEnd: number
  /** Where the line begins and ends, without its indentation; nothing is left when `#start` is negative. */
  #start = 0
  #end = 0
  #indent = 0

  constructor(text: string, start: number, end: number) {
    this.#text = text
    this.#textEnd = end
    this.#lineAt(start)
  }

  item(): unknown {
    const list = this.#node()
    if (this.#start >= 0 || !Array.isArray(list) || list.length !== 1) throw doubt
    return list[0]
  }

  #lineAt(from: number): void {
    const text = this.#text
    let begin = from
    while (begin < this.#textEnd) {
      let start = begin
      while (text.charCodeAt(start) === space) start++
      let end = text.indexOf('\n', start)
      if (end < 0 || end > this.#textEnd) end = this.#textEnd
      const first = text.charCodeAt(start)
      if (start < end && first !== hash && first !== newline) {
        this.#indent = start - begin
        this.#start = start
        this.#end = end
        return
      }
      begin = end + 1
    }
    this.#start = -1
    this.#indent = -1
  }

  #next(): void {
    this.#lineAt(this.#end + 1)
  }

  #isDash(): boolean {
    const after = this.#start + 1
    return (
      this.#text.charCodeAt(this.#start) === dash && (after === this.#end || this.#text.charCodeAt(after) === space)
    )
  }

  #node(): unknown {
    if (this.#start < 0) throw doubt
    if (this.#isDash()) return this.#sequence(this.#indent)
    const first = this.#text.charCodeAt(this.#start)
    if (first !== openList && first !== openMap && this.#keyEnd() >= 0) return this.#mapping(this.#indent)
    const value = inline(this.#text, this.#start, this.#end)
    this.#next()
    return value
  }

  #sequence(indent: number): unknown[] {
    const values: unknown[] = []
    while (this.#indent === indent && this.#isDash()) {
      let start = this.#start + 1
      while (this.#text.charCodeAt(start) === space) start++
      if (start >= this.#end) throw doubt
      this.#indent += start - this.#start
      this.#start = start
      values.push(this.#node())
    }
    if (this.#indent > indent) throw doubt
    return values
  }

  #mapping(indent: number): Record<string, unknown> {
    let values: Record<string, unknown> = {}
    /** While every key so far is the template's. */
    let template: Template | undefined
    let first: KnownKey | undefined
    let count = 0
    while (this.#indent === indent && !this.#isDash()) {
      const end = this.#keyEnd()
      if (end < 0) throw doubt
      const known = keyAt(this.#text, this.#start, end)
      const { key } = known
      if (first === undefined) {
        first = known
        template = known.template
        if (template !== undefined) values = { ...template.blank }
      }
      if (template !== undefined && template.keys[count] !== key) {
        values = firstOf(values, template.keys, count)
        template = undefined
      }
      if (template === undefined && values[key] !== undefined && Object.hasOwn(values, key)) throw doubt
      values[key] = this.#valueAfter(end, indent)
      count++
      if (this.#indent > indent) throw doubt
    }
    if (template !== undefined && count < template.keys.length) {
      values = firstOf(values, template.keys, count)
      template = undefined
    }
    if (template === undefined && first !== undefined && count >= worthTemplate) first.template = templateOf(values)
    return values
  }

  #valueAfter(keyEnd: number, indent: number): unknown {
    let start = keyEnd + 1
    while (this.#text.charCodeAt(start) === space) start++
    const end = this.#end
    this.#next()
    if (start < end) return inline(this.#text, start, end)
    if (this.#indent < indent) return null
    if (this.#indent > indent) return this.#node()
    return this.#isDash() ? this.#sequence(indent) : null
  }

  /** Where the colon after the key is; -1 where there is none on the line. */
  #keyEnd(): number {
    const text = this.#text
    const start = this.#start
    const quote = text.charCodeAt(start)
    const isQuoted = quote === 0x22 || quote === 0x27
    const wanted = isQuoted ? quote : colon
    let at = isQuoted ? start + 1 : start
    while (at < this.#end && text.charCodeAt(at) !== wanted) at++
    if (isQuoted) at++
    if (at <= start || at >= this.#end || text.charCodeAt(at) !== colon) return -1
    // An implicit key may not be longer (YAML 1.2.2, 7.4.2).
    if (at - start > 1_000) throw doubt
    return at + 1 === this.#end || text.charCodeAt(at + 1) === space ? at : -1
  }
}

/** A copy of the blank is had for much less than an object made key by key, where there are many and few kinds of it. */
const worthTemplate = 8

function templateOf(values: Readonly<Record<string, unknown>>): Template {
  const keys = Object.keys(values)
  return { keys, blank: Object.fromEntries(keys.map(key => [key, undefined])) as Record<string, undefined> }
}

function firstOf(
  values: Readonly<Record<string, unknown>>,
  keys: readonly string[],
  count: number
): Record<string, unknown> {
  const some: Record<string, unknown> = {}
  for (let i = 0; i < count; i++) some[keys[i]!] = values[keys[i]!]
  return some
}
