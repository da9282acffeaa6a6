/** A value shown bare in text and as a string in JSON: addresses, names that need no quotes. */
export interface DisplayValue {
  readonly display: string
}

export type LogValue = string | number | bigint | boolean | DisplayValue

/** In order; a field whose value is undefined is left out. */
export type LogFields =
  | readonly (readonly [name: string, value: LogValue | undefined])[]
  | Readonly<Record<string, LogValue | undefined>>

/** Marks a value to be shown bare. */
export function display(value: string | { toString: () => string }): DisplayValue {
  return { display: String(value) }
}

export type FieldList = readonly (readonly [name: string, value: LogValue])[]

export function fieldList(fields: LogFields | undefined): FieldList {
  if (fields === undefined) return []
  const entries = isList(fields) ? fields : Object.entries(fields)
  return entries.filter((entry): entry is readonly [string, LogValue] => entry[1] !== undefined)
}

function isList(fields: LogFields): fields is readonly (readonly [string, LogValue | undefined])[] {
  return Array.isArray(fields)
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

/** Double-quoted, docs/spec/observability-dns.md 2.1 rule 6. */
export function quote(text: string): string {
  return `"${text.replace(quotedUnsafe, escapeCharacter)}"`
}

/** Bare text that can neither end the line nor add a column to it, wherever it came from. */
export function bare(text: string): string {
  return text.replace(bareUnsafe, escapeCharacter)
}

function escapeCharacter(character: string): string {
  return escapes[character] ?? `\\u{${character.codePointAt(0)?.toString(16)}}`
}
