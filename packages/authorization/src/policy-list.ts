import { type Clause, ipBytes, type Match, type StringMatch } from '@culvert/workloads'
import { type CompiledPolicy, isHit } from './compile-policy.ts'
import type { ConnectionFacts } from './connection-facts.ts'

/**
 * Policies of one kind, in order, found by what they demand: a connection is shown only to those of which it has
 * something that one of their rules cannot do without, so a thousand policies for others cost nothing.
 */
export interface PolicyList {
  readonly all: readonly CompiledPolicy[]
  /** Those that speak of the connection, in order. */
  readonly hits: (facts: ConnectionFacts) => Iterable<CompiledPolicy>
}

export function policyList(all: readonly CompiledPolicy[]): PolicyList {
  /** Positions of policies that must always be asked, and by key those that need it. */
  const always: number[] = []
  const byKey = new Map<string, number[]>()
  const forms = createForms()
  for (const [position, { policy }] of all.entries()) {
    const demands = policy.rules.map(ruleDemand)
    if (demands.includes(undefined)) {
      always.push(position)
      continue
    }
    const keys = new Set(demands.flatMap(demand => demand ?? []))
    for (const key of keys) {
      forms.note(key)
      const text = keyText(key)
      const positions = byKey.get(text)
      if (positions === undefined) byKey.set(text, [position])
      else if (positions.at(-1) !== position) positions.push(position)
    }
  }

  function candidates(facts: ConnectionFacts): Iterable<number> {
    if (byKey.size === 0) return always
    let found: number[] | undefined
    for (const key of forms.keysOf(facts)) {
      const positions = byKey.get(key)
      if (positions !== undefined) found = found === undefined ? positions : [...found, ...positions]
    }
    if (found === undefined) return always
    return new Set([...always, ...found].sort((a, b) => a - b))
  }

  return {
    all,
    *hits(facts) {
      for (const position of candidates(facts)) {
        const policy = all[position]!
        if (isHit(policy, facts)) yield policy
      }
    }
  }
}

/** Something that a connection has or has not. */
type Key =
  | { readonly of: 'namespace' | 'principal'; readonly match: StringMatch }
  | { readonly of: 'account'; readonly value: string }
  | { readonly of: 'source' | 'destination'; readonly bytes: Uint8Array; readonly bits: number }
  | { readonly of: 'port'; readonly value: number }

/** One of these the connection must have, or the rule does not hold; undefined when nothing of the sort can be said. */
function ruleDemand(rule: readonly Clause[]): readonly Key[] | undefined {
  let best: Demand | undefined
  for (const clause of rule) {
    const demand = clauseDemand(clause)
    if (demand !== undefined && (best === undefined || demand.rank < best.rank)) best = demand
  }
  return best?.keys
}

/** Lower ranks are shared by fewer connections. */
interface Demand {
  readonly rank: number
  readonly keys: readonly Key[]
}

/** Of a clause one match must hit, so it demands what any of them does; matches that say nothing never hit. */
function clauseDemand(clause: Clause): Demand | undefined {
  if (clause.length === 0) return undefined
  let rank = 0
  const keys: Key[] = []
  for (const match of clause) {
    if (Object.values(match).every(list => list.length === 0)) continue
    const demand = matchDemand(match)
    if (demand === undefined) return undefined
    rank = Math.max(rank, demand.rank)
    keys.push(...demand.keys)
  }
  return { rank, keys }
}

/** Every positive list must be hit: the one that fewest connections hit will do. */
function matchDemand(match: Match): Demand | undefined {
  const strings = (of: 'namespace' | 'principal', list: readonly StringMatch[]): readonly Key[] =>
    list.map(element => ({ of, match: element }))
  const prefixes = (of: 'source' | 'destination', list: Match['sourceIps']): readonly Key[] =>
    list.map(({ ip, prefixLength }) => ({ of, bytes: ipBytes(ip), bits: prefixLength }))
  const lists: readonly (readonly Key[])[] = [
    strings('principal', match.principals),
    match.serviceAccounts.map(({ namespace, serviceAccount }) => ({
      of: 'account',
      value: accountText(namespace, serviceAccount)
    })),
    prefixes('source', match.sourceIps),
    strings('namespace', match.namespaces),
    prefixes('destination', match.destinationIps),
    match.destinationPorts.map(value => ({ of: 'port', value }))
  ]
  let best: Demand | undefined
  for (const [order, keys] of lists.entries()) {
    if (keys.length === 0) continue
    const rank = order + (keys.some(isWide) ? lists.length : 0)
    if (best === undefined || rank < best.rank) best = { rank, keys }
  }
  return best
}

/** What most connections have. */
const isWide = (key: Key): boolean =>
  'match' in key ? key.match.kind === 'presence' : 'bits' in key ? key.bits < 8 : false

const accountText = (namespace: string, serviceAccount: string): string => JSON.stringify([namespace, serviceAccount])

function keyText(key: Key): string {
  switch (key.of) {
    case 'account':
      return `account ${key.value}`
    case 'port':
      return `port ${key.value}`
    case 'source':
    case 'destination':
      return prefixText(key.of, key.bytes, key.bits)
    default:
      return key.match.kind === 'presence'
        ? `${key.of} present`
        : `${key.of} ${key.match.kind} ${key.match.value.length} ${key.match.value}`
  }
}

function prefixText(of: 'source' | 'destination', bytes: Uint8Array, bits: number): string {
  let text = `${of} ${bytes.length} ${bits}`
  for (let i = 0; i * 8 < bits; i++) text += ` ${bytes[i]! & (0xff << Math.max(0, 8 * (i + 1) - bits))}`
  return text
}

/**
 * Which forms of keys there are, so that a connection's own keys can be looked up: how long prefixes are of each kind.
 */
function createForms(): {
  readonly note: (key: Key) => void
  readonly keysOf: (facts: ConnectionFacts) => Iterable<string>
} {
  const lengths = {
    namespace: { prefix: new Set<number>(), suffix: new Set<number>() },
    principal: { prefix: new Set<number>(), suffix: new Set<number>() }
  }
  const bits = { source: new Set<number>(), destination: new Set<number>() }

  function* stringKeys(of: 'namespace' | 'principal', value: string): Generator<string> {
    yield `${of} exact ${value.length} ${value}`
    if (value !== '') yield `${of} present`
    for (const length of lengths[of].prefix)
      if (length <= value.length) yield `${of} prefix ${length} ${value.slice(0, length)}`
    for (const length of lengths[of].suffix)
      if (length <= value.length) yield `${of} suffix ${length} ${value.slice(value.length - length)}`
  }

  function* prefixKeys(of: 'source' | 'destination', address: () => Uint8Array): Generator<string> {
    if (bits[of].size === 0) return
    const bytes = address()
    for (const length of bits[of]) if (length <= bytes.length * 8) yield prefixText(of, bytes, length)
  }

  return {
    note(key) {
      if ('match' in key) {
        if (key.match.kind === 'prefix' || key.match.kind === 'suffix')
          lengths[key.of][key.match.kind].add(key.match.value.length)
      } else if ('bits' in key) bits[key.of].add(key.bits)
    },
    *keysOf(facts) {
      const { namespace, principal, serviceAccount, port } = facts
      yield* stringKeys('namespace', namespace)
      if (principal !== undefined) yield* stringKeys('principal', principal)
      if (serviceAccount !== undefined) yield `account ${accountText(namespace, serviceAccount)}`
      yield* prefixKeys('source', facts.sourceIp)
      yield* prefixKeys('destination', facts.destinationIp)
      yield `port ${port}`
    }
  }
}
