import { doubt, isQuoted, plain, scalar } from './block-scalars.ts'

/** Keys are few and repeat, most of them in the same order: each remembers which one came after it. */
export interface KnownKey {
  readonly written: string
  readonly key: string
  follower: KnownKey | undefined
  /** What the last mapping that began with this key was like. */
  template: Template | undefined
}

export interface Template {
  readonly keys: readonly string[]
  readonly blank: Readonly<Record<string, undefined>>
}

const knownKeys = new Map<string, KnownKey>()
let lastKey: KnownKey | undefined
const plainKey = /^[A-Za-z0-9_/][!-~]*$/

export function keyAt(text: string, start: number, end: number): KnownKey {
  const expected = lastKey?.follower
  if (expected !== undefined && expected.written.length === end - start && text.startsWith(expected.written, start)) {
    lastKey = expected
    return expected
  }
  const found = knownKey(text.slice(start, end))
  if (lastKey !== undefined) lastKey.follower = found
  lastKey = found
  return found
}

export function knownKey(written: string): KnownKey {
  const known = knownKeys.get(written)
  if (known !== undefined) return known
  const value = isQuoted(written) ? scalar(written) : plainKey.test(written) ? plain(written) : undefined
  if ((typeof value !== 'string' && typeof value !== 'number') || value === '__proto__') throw doubt
  if (knownKeys.size >= 4_096) {
    knownKeys.clear()
    lastKey = undefined
  }
  // Pieces of the text would keep all of it.
  const own = Buffer.from(written).toString()
  const key = isQuoted(own) ? own.slice(1, -1) : own
  const made = { written: own, key, follower: undefined, template: undefined }
  knownKeys.set(own, made)
  return made
}
