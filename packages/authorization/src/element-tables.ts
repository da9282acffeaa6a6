import { type Cidr, ipBytes, type ServiceAccountMatch, type StringMatch } from '@culvert/workloads'
import type { ConnectionFacts } from './connection-facts.ts'
import { Marks } from './marks.ts'

/** Who asks for what: elements of lists of one kind, found by what a connection has (docs/spec/authorization.md 2.3). */
export interface ElementTable<Element, Value> {
  readonly add: (element: Element, position: number) => void
  /** Marks of the elements that this value hits are put into `found`. */
  readonly find: (value: Value, found: Marks[]) => void
}

type Entries<Key> = Map<Key, Marks>

function noteIn<Key>(entries: Entries<Key>, key: Key, position: number, words: number): void {
  let marks = entries.get(key)
  if (marks === undefined) {
    marks = new Marks()
    entries.set(key, marks)
  }
  marks.add(position, words)
}

function findIn<Key>(entries: Entries<Key>, key: Key, found: Marks[]): void {
  const marks = entries.get(key)
  if (marks !== undefined) found.push(marks)
}

/** By length, so that a value is looked up once per length in use. */
type ByLength<Key> = Map<number, Entries<Key>>

function ofLength<Key>(lengths: ByLength<Key>, length: number): Entries<Key> {
  const known = lengths.get(length)
  if (known !== undefined) return known
  const made: Entries<Key> = new Map()
  lengths.set(length, made)
  return made
}

/** Of no value for `undefined`: what plaintext does not have hits nothing. */
export function stringTable(words: number): ElementTable<StringMatch, string | undefined> {
  const exact: Entries<string> = new Map()
  const prefixes: ByLength<string> = new Map()
  const suffixes: ByLength<string> = new Map()
  const present = new Marks()
  return {
    add(match, position) {
      if (match.kind === 'presence') present.add(position, words)
      else if (match.kind === 'exact') noteIn(exact, match.value, position, words)
      else {
        const lengths = match.kind === 'prefix' ? prefixes : suffixes
        noteIn(ofLength(lengths, match.value.length), match.value, position, words)
      }
    },
    find(value, found) {
      if (value === undefined) return
      if (value !== '') found.push(present)
      findIn(exact, value, found)
      for (const [length, entries] of prefixes) {
        if (length <= value.length) findIn(entries, value.slice(0, length), found)
      }
      for (const [length, entries] of suffixes) {
        if (length <= value.length) findIn(entries, value.slice(value.length - length), found)
      }
    }
  }
}

export function accountTable(words: number): ElementTable<ServiceAccountMatch, ConnectionFacts> {
  const entries: Entries<string> = new Map()
  // The length keeps apart what would read the same.
  const key = (namespace: string, account: string): string => `${namespace.length} ${namespace} ${account}`
  return {
    add: ({ namespace, serviceAccount }, position) => noteIn(entries, key(namespace, serviceAccount), position, words),
    find({ namespace, serviceAccount }, found) {
      if (serviceAccount !== undefined) findIn(entries, key(namespace, serviceAccount), found)
    }
  }
}

export function portTable(words: number): ElementTable<number, number> {
  const entries: Entries<number> = new Map()
  return {
    add: (port, position) => noteIn(entries, port, position, words),
    find: (port, found) => findIn(entries, port, found)
  }
}

/** An address of the other family is in no prefix. */
export function prefixTable(words: number): ElementTable<Cidr, Uint8Array> {
  const ipv4: ByLength<number> = new Map()
  const ipv6: ByLength<string> = new Map()
  return {
    add({ ip, prefixLength }, position) {
      const bytes = ipBytes(ip)
      if (bytes.length === 4) {
        noteIn(ofLength(ipv4, prefixLength), bitsOf(numberOf(bytes), prefixLength), position, words)
      } else noteIn(ofLength(ipv6, prefixLength), partOf(bytes, prefixLength), position, words)
    },
    find(bytes, found) {
      if (bytes.length === 4) {
        const address = numberOf(bytes)
        for (const [length, entries] of ipv4) findIn(entries, bitsOf(address, length), found)
      } else for (const [length, entries] of ipv6) findIn(entries, partOf(bytes, length), found)
    }
  }
}

const numberOf = (bytes: Uint8Array): number => (bytes[0]! << 24) | (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!

/** A shift by 32 is one by 0. */
const bitsOf = (address: number, length: number): number => (length === 0 ? 0 : address >> (32 - length))

/** So many leading bits, as text. */
function partOf(bytes: Uint8Array, length: number): string {
  const whole = length >> 3
  const text = String.fromCharCode(...bytes.subarray(0, whole))
  const rest = length & 7
  return rest === 0 ? text : text + String.fromCharCode(bytes[whole]! >> (8 - rest))
}
