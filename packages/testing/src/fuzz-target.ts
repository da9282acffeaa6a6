import assert from 'node:assert/strict'
import { type Mutable, mutate } from './mutate.ts'
import type { Random } from './random.ts'

/** A reader of bytes that somebody else sent, and what must hold whatever they are. */
export interface FuzzTarget {
  /** As `npm run fuzz` names it. */
  readonly name: string
  /** Real inputs, from which others are made; and what it took to reach a defect that was found. */
  readonly seeds: readonly Buffer[]
  /** Pieces with a meaning to the reader, which chance would not hit upon. */
  readonly words?: readonly Buffer[]
  /** Instead of `mutate`, for inputs with a form. */
  readonly mutate?: (random: Random, from: Mutable) => Buffer
  /** By default 4,096. */
  readonly maxBytes?: number
  /**
   * Whether the input was taken; false when it was refused in the documented way. Throws for a defect, and only then.
   * It has no memory: what one input does must not show in the next.
   */
  readonly run: (input: Buffer) => boolean | Promise<boolean>
}

export const defaultMaxBytes = 4_096

/** What a reader may say about its input at most; more would let a peer fill logs. */
const maxMessage = 1_000

/** The value; undefined where `read` refuses its input with this code, in words that can be shown. */
export function accepted<Value>(read: () => Value, code: string): Value | undefined {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || error.code !== code) throw error
    assertPlainText(error.message)
    return undefined
  }
}

/** Of a length for a log, and without what could end a line, move a cursor or hide text. */
export function assertPlainText(text: string, maxLength: number = maxMessage): void {
  assert.ok(text.length <= maxLength, `a message of ${text.length} characters: ${text.slice(0, 200)}`)
  assert.doesNotMatch(text, /[\p{Cc}\p{Cs}\u2028\u2029]/u, 'a message with control characters')
}

/** Runs the seeds, then inputs made of them; rejects for a defect, naming the input. */
export async function tryOut(
  target: FuzzTarget,
  { random, inputs }: { readonly random: Random; readonly inputs: number }
): Promise<{ readonly taken: number; readonly refused: number }> {
  const { seeds, words = [], maxBytes = defaultMaxBytes } = target
  const result = { taken: 0, refused: 0 }
  const take = async (input: Buffer): Promise<void> => {
    try {
      result[(await target.run(input)) ? 'taken' : 'refused']++
    } catch (cause) {
      throw new Error(`${target.name} has a defect, shown by ${input.toString('base64')}`, { cause })
    }
  }
  for (const seed of seeds) await take(seed)
  for (let count = 0; count < inputs; count++) {
    const from = { input: random.pick(seeds), other: random.pick(seeds), words, maxBytes }
    await take((target.mutate ?? mutate)(random, from))
  }
  return result
}
