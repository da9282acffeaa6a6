import type { Random } from './random.ts'

/** What there is to make a new input from. */
export interface Mutable {
  readonly input: Buffer
  /** Another input, for pieces. */
  readonly other: Buffer
  /** Pieces with a meaning. */
  readonly words: readonly Buffer[]
  /** The new input is cut to this. */
  readonly maxBytes: number
}

/** Numbers at which lengths, pointers and counts go wrong. */
const numbers = [0, 1, 2, 0x3f, 0x40, 0x7f, 0x80, 0xbf, 0xc0, 0xff, 0x100, 0x3fff, 0x4000, 0x7fff, 0x8000, 0xffff]

/** An input that differs in one to some eight places. */
export function mutate(random: Random, from: Mutable): Buffer {
  let bytes: Buffer = Buffer.from(from.input)
  do bytes = random.pick(mutations)(random, bytes, from)
  while (random.chance(0.5))
  return bytes.subarray(0, from.maxBytes)
}

type Mutation = (random: Random, bytes: Buffer, from: Mutable) => Buffer

const mutations: readonly Mutation[] = [
  // One bit, one octet, a number of one, two or four octets in either order.
  (random, bytes) => overwrite(bytes, random.below(bytes.length), bit(random, bytes)),
  (random, bytes) => overwrite(bytes, random.below(bytes.length), random.bytes(1)),
  (random, bytes) => overwrite(bytes, random.below(bytes.length), number(random)),
  // Shorter, longer, in another order.
  (random, bytes) => bytes.subarray(0, random.below(bytes.length + 1)),
  (random, bytes) => replace(bytes, range(random, bytes), Buffer.alloc(0)),
  (random, bytes) => insert(random, bytes, random.bytes(random.between(1, 8))),
  (random, bytes) => insert(random, bytes, bytes.subarray(...range(random, bytes))),
  (random, bytes, from) => insert(random, bytes, repeat(random, bytes.subarray(...range(random, bytes)), from)),
  (random, bytes) => overwrite(bytes, random.below(bytes.length), bytes.subarray(...range(random, bytes))),
  // Pieces of another input, at any place and at the same.
  (random, bytes, { other }) => insert(random, bytes, other.subarray(...range(random, other))),
  (random, bytes, { other }) => replace(bytes, range(random, bytes), other.subarray(...range(random, other))),
  (random, bytes, { other }) => splice(random, bytes, other),
  // Words, and many of one.
  (random, bytes, { words }) => insert(random, bytes, word(random, words)),
  (random, bytes, { words }) => replace(bytes, range(random, bytes), word(random, words)),
  (random, bytes, from) => insert(random, bytes, repeat(random, word(random, from.words), from))
]

type Range = readonly [start: number, end: number]

function range(random: Random, bytes: Buffer): Range {
  const start = random.below(bytes.length + 1)
  const most = random.chance(0.75) ? 16 : bytes.length
  return [start, Math.min(bytes.length, start + random.below(most + 1))]
}

const replace = (bytes: Buffer, [start, end]: Range, by: Buffer): Buffer =>
  Buffer.concat([bytes.subarray(0, start), by, bytes.subarray(end)])

function insert(random: Random, bytes: Buffer, piece: Buffer): Buffer {
  const at = random.below(bytes.length + 1)
  return replace(bytes, [at, at], piece)
}

const overwrite = (bytes: Buffer, at: number, by: Buffer): Buffer => replace(bytes, [at, at + by.length], by)

function splice(random: Random, bytes: Buffer, other: Buffer): Buffer {
  const at = random.below(Math.min(bytes.length, other.length) + 1)
  return Buffer.concat([bytes.subarray(0, at), other.subarray(at)])
}

function repeat(random: Random, piece: Buffer, { maxBytes }: Mutable): Buffer {
  const count = Math.min(2 ** random.between(1, 10), Math.ceil(maxBytes / Math.max(1, piece.length)))
  return Buffer.concat(Array.from({ length: count }, () => piece))
}

const bit = (random: Random, bytes: Buffer): Buffer =>
  Buffer.of((bytes[random.below(bytes.length)] ?? 0) ^ (1 << random.below(8)))

function number(random: Random): Buffer {
  const size = random.pick([1, 2, 4])
  const value = random.pick(numbers) % 2 ** (8 * size)
  const bytes = Buffer.alloc(size)
  if (random.chance(0.5)) bytes.writeUIntBE(value, 0, size)
  else bytes.writeUIntLE(value, 0, size)
  return bytes
}

const word = (random: Random, words: readonly Buffer[]): Buffer =>
  words.length === 0 ? number(random) : random.pick(words)
