/** What `blockValue` returns for text that it leaves to the YAML parser. */
export const notSimple: unique symbol = Symbol('not simple')

interface Line {
  readonly indent: number
  readonly start: number
  readonly end: number
}

/**
 * One item of a block sequence as a value, for the plainest YAML: block mappings and sequences, flat flow ones, and
 * scalars of one line without escapes, in ASCII. Ten times as fast as the parser, and never of another opinion: at the
 * least doubt it says so.
 */
export function blockValue(text: string): unknown {
  try {
    return readItem(text)
  } catch (error) {
    // The other: too deep.
    if (error === doubt || error instanceof RangeError) return notSimple
    throw error
  }
}

/** Thrown, never seen outside; without a stack, because it may be thrown for each of many items. */
const doubt = { reason: 'not simple' }

const space = 0x20
const newline = 0x0a
const dash = 0x2d
const hash = 0x23

function readItem(text: string): unknown {
  let line = lineAt(0)
  const list = node()
  if (line !== undefined || !Array.isArray(list) || list.length !== 1) throw doubt
  return list[0]

  /** The next line with something on it. */
  function lineAt(from: number): Line | undefined {
    let begin = from
    while (begin < text.length) {
      let start = begin
      while (text.charCodeAt(start) === space) start++
      let end = text.indexOf('\n', start)
      if (end < 0) end = text.length
      const first = text.charCodeAt(start)
      if (start < end && first !== hash && first !== newline) return { indent: start - begin, start, end }
      begin = end + 1
    }
    return undefined
  }

  function next(): void {
    line = lineAt(line!.end + 1)
  }

  function isDash({ start, end }: Line): boolean {
    return text.charCodeAt(start) === dash && (start + 1 === end || text.charCodeAt(start + 1) === space)
  }

  function node(): unknown {
    if (line === undefined) throw doubt
    if (isDash(line)) return sequence(line.indent)
    const first = text[line.start]
    if (first !== '[' && first !== '{' && keyEnd(line) >= 0) return mapping(line.indent)
    const value = inline(text.slice(line.start, line.end).trimEnd())
    next()
    return value
  }

  function sequence(indent: number): unknown[] {
    const values: unknown[] = []
    while (line !== undefined && line.indent === indent && isDash(line)) {
      let start = line.start + 1
      while (text.charCodeAt(start) === space) start++
      if (start >= line.end) throw doubt
      line = { indent: indent + start - line.start, start, end: line.end }
      values.push(node())
    }
    if (line !== undefined && line.indent > indent) throw doubt
    return values
  }

  function mapping(indent: number): Record<string, unknown> {
    const values: Record<string, unknown> = {}
    while (line !== undefined && line.indent === indent && !isDash(line)) {
      const colon = keyEnd(line)
      if (colon < 0) throw doubt
      const key = keyOf(text.slice(line.start, colon))
      if (Object.hasOwn(values, key)) throw doubt
      values[key] = valueAfter(colon, indent)
      if (line !== undefined && line.indent > indent) throw doubt
    }
    return values
  }

  function valueAfter(colon: number, indent: number): unknown {
    let start = colon + 1
    while (text.charCodeAt(start) === space) start++
    const { end } = line!
    next()
    if (start < end) return inline(text.slice(start, end).trimEnd())
    if (line === undefined || line.indent < indent) return null
    if (line.indent > indent) return node()
    return isDash(line) ? sequence(indent) : null
  }

  /** Where the colon after the key is; -1 where there is none on the line. */
  function keyEnd({ start, end }: Line): number {
    const quote = text.charCodeAt(start)
    let colon: number
    if (quote === 0x22 || quote === 0x27) colon = text.indexOf(text[start]!, start + 1) + 1
    else colon = text.indexOf(':', start)
    if (colon <= start || colon >= end || text.charCodeAt(colon) !== 0x3a) return -1
    // An implicit key may not be longer (YAML 1.2.2, 7.4.2).
    if (colon - start > 1_000) throw doubt
    return colon + 1 === end || text.charCodeAt(colon + 1) === space ? colon : -1
  }
}

/** Keys are few and repeat. */
const knownKeys = new Map<string, string>()
const plainKey = /^[A-Za-z0-9_/][!-~]*$/

function keyOf(text: string): string {
  const known = knownKeys.get(text)
  if (known !== undefined) return known
  const value = isQuoted(text) ? scalar(text) : plainKey.test(text) ? plain(text) : notSimple
  if ((typeof value !== 'string' && typeof value !== 'number') || value === '__proto__') throw doubt
  if (knownKeys.size >= 4_096) knownKeys.clear()
  knownKeys.set(text, `${value}`)
  return `${value}`
}

function inline(text: string): unknown {
  const first = text.charCodeAt(0)
  if (first === 0x5b) return flowSequence(text)
  return first === 0x7b ? flowMapping(text) : scalar(text)
}

const isQuoted = (text: string): boolean => text.startsWith('"') || text.startsWith("'")

const simpleQuoted = /^(?:'[ -&(-~]*'|"[ !#-[\]-~]*")$/
/** Of printable ASCII, not starting with an indicator; single spaces only, since a comment needs one before it. */
const simplePlain = /^[A-Za-z0-9_/:$~][!-~]*(?: (?!#)[!-~]+)*$/

function scalar(text: string): unknown {
  if (isQuoted(text)) {
    if (!simpleQuoted.test(text)) throw doubt
    return text.slice(1, -1)
  }
  if (!simplePlain.test(text) || text.endsWith(':') || text.includes(': ')) throw doubt
  return plain(text)
}

const words = new Map<string, boolean | null>([
  ...['null', 'Null', 'NULL', '~'].map(word => [word, null] as const),
  ...['true', 'True', 'TRUE'].map(word => [word, true] as const),
  ...['false', 'False', 'FALSE'].map(word => [word, false] as const)
])
const wholeNumber = /^(?:0|[1-9][0-9]{0,14})$/
const ipv4 = /^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$/
/** What some reading of YAML might take for a number of another form. */
const numberLike = /^[0-9][0-9a-fA-FoxXeE_.:+-]*$/

/** The core schema (YAML 1.2.2, 10.3). */
function plain(text: string): unknown {
  const first = text.charCodeAt(0)
  if (first < 0x30 || first > 0x39) {
    const word = words.get(text)
    return word === undefined ? text : word
  }
  if (wholeNumber.test(text)) return Number(text)
  if (ipv4.test(text) || !numberLike.test(text)) return text
  throw doubt
}

const flowPlain = /^[A-Za-z0-9_/][A-Za-z0-9_/.-]*$/

function flowScalar(text: string): unknown {
  if (isQuoted(text)) return scalar(text)
  if (!flowPlain.test(text)) throw doubt
  return plain(text)
}

function flowParts(text: string, close: string): string[] {
  if (!text.endsWith(close)) throw doubt
  const body = text.slice(1, -1).trim()
  return body === '' ? [] : body.split(',').map(part => part.trim())
}

const flowSequence = (text: string): unknown[] => flowParts(text, ']').map(flowScalar)

function flowMapping(text: string): Record<string, unknown> {
  const values: Record<string, unknown> = {}
  for (const part of flowParts(text, '}')) {
    const colon = part.indexOf(': ')
    if (colon < 0) throw doubt
    const key = keyOf(part.slice(0, colon))
    if (!isQuoted(part) && !flowPlain.test(part.slice(0, colon))) throw doubt
    if (Object.hasOwn(values, key)) throw doubt
    values[key] = flowScalar(part.slice(colon + 2).trim())
  }
  return values
}
