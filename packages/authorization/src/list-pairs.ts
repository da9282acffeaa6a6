import type { Match } from '@culvert/workloads'
import type { ConnectionFacts } from './connection-facts.ts'
import { accountTable, type ElementTable, portTable, prefixTable, stringTable } from './element-tables.ts'
import { mark, type Marks } from './marks.ts'

/** One pair of lists, positive and negative, of all matches. */
export interface CompiledPair {
  /** Matches whose positive list is empty, so that it lets everything through; undefined when all are. */
  readonly free: Uint32Array | undefined
  readonly findWanted: (facts: ConnectionFacts, found: Marks[]) => void
  /** Undefined when there is no negative list. */
  readonly findUnwanted: ((facts: ConnectionFacts, found: Marks[]) => void) | undefined
}

interface ListPair<Element, Value> {
  readonly wanted: (match: Match) => readonly Element[]
  readonly unwanted: (match: Match) => readonly Element[]
  readonly table: (words: number) => ElementTable<Element, Value>
  /** What of the connection is looked up. */
  readonly read: (facts: ConnectionFacts) => Value
}

/** Without its types: pairs of different elements stand in one list. */
interface AnyPair {
  readonly wanted: (match: Match) => readonly unknown[]
  readonly compile: (matches: readonly Match[], words: number) => CompiledPair | undefined
}

const pair = <Element, Value>(lists: ListPair<Element, Value>): AnyPair => ({
  wanted: lists.wanted,
  compile: (matches, words) => compilePair(lists, matches, words)
})

/** Those that let fewest connections through come first: after them there is often nothing left to ask. */
const pairs: readonly AnyPair[] = [
  pair({
    wanted: match => match.principals,
    unwanted: match => match.notPrincipals,
    table: stringTable,
    read: facts => facts.principal
  }),
  pair({
    wanted: match => match.serviceAccounts,
    unwanted: match => match.notServiceAccounts,
    table: accountTable,
    read: facts => facts
  }),
  pair({
    wanted: match => match.sourceIps,
    unwanted: match => match.notSourceIps,
    table: prefixTable,
    read: facts => facts.sourceIp()
  }),
  pair({
    wanted: match => match.namespaces,
    unwanted: match => match.notNamespaces,
    table: stringTable,
    read: facts => facts.namespace
  }),
  pair({
    wanted: match => match.destinationPorts,
    unwanted: match => match.notDestinationPorts,
    table: portTable,
    read: facts => facts.port
  }),
  pair({
    wanted: match => match.destinationIps,
    unwanted: match => match.notDestinationIps,
    table: prefixTable,
    read: facts => facts.destinationIp()
  })
]

/** Whether any of its positive lists has an element. */
export const wantsSomething = (match: Match): boolean => pairs.some(({ wanted }) => wanted(match).length > 0)

/** Without pairs that no match uses. `words`: how many a bit set of the matches has. */
export const compilePairs = (matches: readonly Match[], words: number): readonly CompiledPair[] =>
  pairs.flatMap(({ compile }) => compile(matches, words) ?? [])

function compilePair<Element, Value>(
  { wanted, unwanted, table, read }: ListPair<Element, Value>,
  matches: readonly Match[],
  words: number
): CompiledPair | undefined {
  const free = new Uint32Array(words)
  const positive = table(words)
  const negative = table(words)
  let [anyWanted, anyUnwanted] = [false, false]
  for (const [position, match] of matches.entries()) {
    for (const element of wanted(match)) positive.add(element, position)
    for (const element of unwanted(match)) negative.add(element, position)
    if (wanted(match).length === 0) mark(free, position)
    else anyWanted = true
    anyUnwanted ||= unwanted(match).length > 0
  }
  if (!anyWanted && !anyUnwanted) return undefined
  return {
    free: anyWanted ? free : undefined,
    findWanted: (facts, found) => positive.find(read(facts), found),
    findUnwanted: anyUnwanted ? (facts, found) => negative.find(read(facts), found) : undefined
  }
}
