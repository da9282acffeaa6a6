/** A value shown bare in text and as a string in JSON: addresses, names that need no quotes. */
export interface DisplayValue {
  readonly display: string
}

export type LogValue = string | number | bigint | boolean | DisplayValue

export type LogField = readonly [name: string, value: LogValue | undefined]

/** In order; a field whose value is undefined is left out. */
export type LogFields = FieldList | Readonly<Record<string, LogValue | undefined>>

/** Fields that many lines share, in their place among the others: rendered once per format. */
export class PreparedFields {
  readonly fields: readonly LogField[]
  /** Of the formats that have asked. */
  readonly rendered: Map<unknown, string> = new Map()

  constructor(fields: readonly LogField[]) {
    this.fields = fields
  }
}

/** Marks a value to be shown bare. */
export function display(value: string | { toString: () => string }): DisplayValue {
  return { display: String(value) }
}

export type FieldList = readonly (LogField | PreparedFields)[]

export function fieldList(fields: LogFields | undefined): FieldList {
  if (fields === undefined) return []
  return isList(fields) ? fields : Object.entries(fields)
}

function isList(fields: LogFields): fields is FieldList {
  return Array.isArray(fields)
}

/** Every field that has a value, rendered by `one`, joined by `separator`. */
export function renderFields(
  fields: FieldList,
  separator: string,
  one: (name: string, value: LogValue) => string
): string {
  let line = ''
  for (const field of fields) {
    const text = field instanceof PreparedFields ? prepared(field, separator, one) : rendered(field, one)
    if (text !== '') line += line === '' ? text : separator + text
  }
  return line
}

const rendered = ([name, value]: LogField, one: (name: string, value: LogValue) => string): string =>
  value === undefined ? '' : one(name, value)

function prepared(group: PreparedFields, separator: string, one: (name: string, value: LogValue) => string): string {
  const known = group.rendered.get(one)
  if (known !== undefined) return known
  const text = renderFields(group.fields, separator, one)
  group.rendered.set(one, text)
  return text
}

const escapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\0': '\\0'
}

// Everything but printable characters: controls, separators other than space, lone surrogates, combining marks.
const quotedUnsafe = /["\\]|\p{C}|(?! )\p{Z}|\p{Grapheme_Extend}/gu
const bareUnsafe = /[\p{Cc}\p{Cs}\u2028\u2029]/gu

// Most text needs no escape, and this is a fraction of the cost of looking for what does.
const quotedSafe = /^[ !#-[\]-~]*$/
const bareSafe = /^[ -~]*$/

/** Double-quoted, docs/spec/observability-dns.md 2.1 rule 6. */
export function quote(text: string): string {
  return quotedSafe.test(text) ? `"${text}"` : `"${text.replace(quotedUnsafe, escapeCharacter)}"`
}

/** Bare text that can neither end the line nor add a column to it, wherever it came from. */
export function bare(text: string): string {
  return bareSafe.test(text) ? text : text.replace(bareUnsafe, escapeCharacter)
}

function escapeCharacter(character: string): string {
  return escapes[character] ?? `\\u{${character.codePointAt(0)?.toString(16)}}`
}
