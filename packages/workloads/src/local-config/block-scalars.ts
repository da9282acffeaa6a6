/** Thrown where the YAML parser is to be asked; without a stack, because it may be thrown for each of many items. */
export const doubt: { readonly reason: string } = { reason: 'not simple' }

export const isQuoted = (text: string): boolean => text.startsWith('"') || text.startsWith("'")

const simpleQuoted = /^(?:'[ -&(-~]*'|"[ !#-[\]-~]*")$/
/** Of printable ASCII, not starting with an indicator; single spaces only, since a comment needs one before it. */
const simplePlain = /^[A-Za-z0-9_/:$~][!-~]*(?: (?!#)[!-~]+)*$/

export function scalar(text: string): unknown {
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
export function plain(text: string): unknown {
  const first = text.charCodeAt(0)
  if (first < 0x30 || first > 0x39) {
    const word = text.length > 5 ? undefined : words.get(text)
    return word === undefined ? text : word
  }
  if (wholeNumber.test(text)) return Number(text)
  if (ipv4.test(text) || !numberLike.test(text)) return text
  throw doubt
}
