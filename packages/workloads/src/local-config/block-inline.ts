import { knownKey } from './block-keys.ts'
import { doubt, isQuoted, plain, scalar } from './block-scalars.ts'

const space = 0x20
export const openList = 0x5b
export const openMap = 0x7b

/** The rest of a line, without the spaces at its end. */
export function inline(text: string, start: number, lineEnd: number): unknown {
  let end = lineEnd
  while (text.charCodeAt(end - 1) === space) end--
  const first = text.charCodeAt(start)
  if (first === openList) return flowSequence(text.slice(start, end))
  if (first === openMap) return flowMapping(text.slice(start, end))
  return isWord(text, start, end) ? plain(text.slice(start, end)) : scalar(text.slice(start, end))
}

/** Characters that mean nothing but themselves wherever they are: letters, digits, `_`, `/`, and inside also `-` and `.`. */
const wordCharacters = new Uint8Array(128)
for (const character of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_/') {
  wordCharacters[character.charCodeAt(0)] = 2
}
for (const character of '-.') wordCharacters[character.charCodeAt(0)] = 1

function isWord(text: string, start: number, end: number): boolean {
  if (wordCharacters[text.charCodeAt(start)] !== 2) return false
  for (let at = start + 1; at < end; at++) if (!wordCharacters[text.charCodeAt(at)]) return false
  return true
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
    const end = part.indexOf(': ')
    if (end < 0) throw doubt
    const { key } = knownKey(part.slice(0, end))
    if (!isQuoted(part) && !flowPlain.test(part.slice(0, end))) throw doubt
    if (Object.hasOwn(values, key)) throw doubt
    values[key] = flowScalar(part.slice(end + 2).trim())
  }
  return values
}
