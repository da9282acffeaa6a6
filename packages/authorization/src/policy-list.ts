import type { Authorization, Clause, Match } from '@culvert/workloads'
import type { ConnectionFacts } from './connection-facts.ts'
import { type CompiledPair, compilePairs, wantsSomething } from './list-pairs.ts'
import { isMarked, mark, type Marks } from './marks.ts'

/** Policies of one kind, in order. */
export interface PolicyList {
  readonly all: readonly Authorization[]
  /** The first that speaks of the connection. */
  readonly firstHit: (facts: ConnectionFacts) => Authorization | undefined
  /** All that do, in order. */
  readonly hits: (facts: ConnectionFacts) => readonly Authorization[]
}

/**
 * Every match of every policy is a bit. What a connection has (its principal, its port …) is looked up once for all of
 * them, which gives the matches that hold as a bit set; then only rules of which one clause holds are looked at
 * (docs/spec/authorization.md 2.2). So a policy costs a few nanoseconds, whatever it says.
 */
export function policyList(all: readonly Authorization[]): PolicyList {
  let compiled: Compiled | undefined
  const withHits = (facts: ConnectionFacts, limit: number): readonly Authorization[] => {
    if (all.length === 0) return none
    compiled ??= compile(all)
    return speaking(compiled, facts, limit).map(position => all[position]!)
  }
  return {
    all,
    firstHit: facts => withHits(facts, 1)[0],
    hits: facts => withHits(facts, all.length)
  }
}

const none: readonly never[] = []

interface Compiled {
  /** Of policies with a rule that always holds. */
  readonly always: readonly number[]
  /** By match: the rule that it is the lead of. */
  readonly ledBy: readonly CompiledRule[]
  /** Matches of leads. */
  readonly leads: Uint32Array
  /** Matches that say something; one without any list never holds. */
  readonly speaks: Uint32Array
  readonly pairs: readonly CompiledPair[]
  /** For the work of one evaluation: matches that hold, and those that one list lets through. */
  readonly held: Uint32Array
  readonly through: Uint32Array
}

interface CompiledRule {
  /** Position of its policy. */
  readonly policy: number
  /**
   * Where the matches of each clause are, without clauses that always hold. The lead comes first: the one that is most
   * likely not to hold.
   */
  readonly clauses: readonly ClauseRange[]
}

interface ClauseRange {
  readonly start: number
  readonly end: number
}

function compile(policies: readonly Authorization[]): Compiled {
  const matches: Match[] = []
  const rules: CompiledRule[] = []
  const always: number[] = []
  for (const [policy, { rules: written }] of policies.entries()) {
    for (const rule of written) {
      const clauses = rule.filter(clause => clause.length > 0).sort((a, b) => likelihood(a) - likelihood(b))
      const ranges = clauses.map(clause => {
        const start = matches.length
        for (const match of clause) matches.push(match)
        return { start, end: matches.length }
      })
      if (ranges.length > 0) rules.push({ policy, clauses: ranges })
      else if (always.at(-1) !== policy) always.push(policy)
    }
  }
  const words = Math.ceil(matches.length / 32)
  const speaks = new Uint32Array(words)
  for (const [position, match] of matches.entries()) {
    if (Object.values(match).some(list => list.length > 0)) mark(speaks, position)
  }
  const leads = new Uint32Array(words)
  const ledBy: CompiledRule[] = []
  for (const rule of rules) {
    const [lead] = rule.clauses
    for (let match = lead!.start; match < lead!.end; match++) {
      mark(leads, match)
      ledBy[match] = rule
    }
  }
  const pairs = compilePairs(matches, words)
  return { always, ledBy, leads, speaks, pairs, held: new Uint32Array(words), through: new Uint32Array(words) }
}

/** Negative lists let most connections through. */
const likelihood = (clause: Clause): number => (clause.every(wantsSomething) ? 0 : 1)

/** Positions of policies, in order, at most so many. Plain loops: this is what every connection pays. */
function speaking(compiled: Compiled, facts: ConnectionFacts, limit: number): number[] {
  const { ledBy, leads, always } = compiled
  const held = holdingMatches(compiled, facts)
  const found: number[] = []
  for (let i = 0; i < held.length && found.length < limit; i++) {
    for (let left = held[i]! & leads[i]!; left !== 0 && found.length < limit; left &= left - 1) {
      const { policy, clauses } = ledBy[i * 32 + 31 - Math.clz32(left & -left)]!
      if (found.at(-1) !== policy && allHold(held, clauses)) found.push(policy)
    }
  }
  if (always.length === 0) return found
  return [...new Set([...found, ...always])].sort((a, b) => a - b).slice(0, limit)
}

function allHold(held: Uint32Array, clauses: readonly ClauseRange[]): boolean {
  for (const { start, end } of clauses) {
    let match = start
    while (match < end && !isMarked(held, match)) match++
    if (match === end) return false
  }
  return true
}

const marks: Marks[] = []

function holdingMatches({ speaks, pairs, held, through }: Compiled, facts: ConnectionFacts): Uint32Array {
  held.set(speaks)
  for (const { free, findWanted, findUnwanted } of pairs) {
    if (free !== undefined) {
      through.set(free)
      marks.length = 0
      findWanted(facts, marks)
      for (const found of marks) found.setIn(through)
      let left = 0
      for (let i = 0; i < held.length; i++) left |= held[i]! &= through[i]!
      if (left === 0) break
    }
    if (findUnwanted === undefined) continue
    marks.length = 0
    findUnwanted(facts, marks)
    for (const found of marks) found.clearIn(held)
  }
  marks.length = 0
  return held
}
