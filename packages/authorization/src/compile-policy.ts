import type { Authorization, Clause, Match } from '@culvert/workloads'
import type { ConnectionFacts } from './connection-facts.ts'
import { anyPort, anyPrefix, anyServiceAccount, anyString, type Test } from './predicates.ts'

/** A policy ready for evaluation, shaped as it was written. */
export interface CompiledPolicy {
  /** `namespace/name`, for messages. */
  readonly name: string
  readonly policy: Authorization
  readonly rules: readonly (readonly CompiledClause[])[]
}

/** One test per match; none for a match that says nothing, which never hits. */
export type CompiledClause = readonly (Test<ConnectionFacts> | undefined)[]

export function compilePolicy(policy: Authorization): CompiledPolicy {
  return {
    name: `${policy.namespace}/${policy.name}`,
    policy,
    rules: policy.rules.map(clauses => clauses.map((clause: Clause) => clause.map(compileMatch)))
  }
}

/**
 * Whether a policy speaks of a connection: docs/spec/authorization.md 2.2. No rules: never. No clauses: always. Plain
 * loops, because where no index helps this runs a thousand times per connection.
 */
export function isHit({ rules }: CompiledPolicy, facts: ConnectionFacts): boolean {
  for (const rule of rules) if (ruleHolds(rule, facts)) return true
  return false
}

function ruleHolds(rule: readonly CompiledClause[], facts: ConnectionFacts): boolean {
  for (const clause of rule) if (!clauseHolds(clause, facts)) return false
  return true
}

/** No matches: always. */
const clauseHolds = (clause: CompiledClause, facts: ConnectionFacts): boolean =>
  clause.length === 0 || hittingMatch(clause, facts) >= 0

function hittingMatch(clause: CompiledClause, facts: ConnectionFacts): number {
  for (let i = 0; i < clause.length; i++) if (clause[i]?.(facts) === true) return i
  return -1
}

export interface RuleTrace {
  readonly holds: boolean
  /** Up to the first that fails: positions of the matches that hit; undefined in a clause without matches, or without hit. */
  readonly clauses: readonly { readonly holds: boolean; readonly match?: number }[]
}

/** How `isHit` comes to its answer; a list that ends with the first rule that holds. */
export function traceRules({ rules }: CompiledPolicy, facts: ConnectionFacts): readonly RuleTrace[] {
  const traces: RuleTrace[] = []
  for (const rule of rules) {
    const clauses: RuleTrace['clauses'][number][] = []
    for (const clause of rule) {
      const match = hittingMatch(clause, facts)
      clauses.push({ holds: clauseHolds(clause, facts), ...(match >= 0 && { match }) })
      if (!clauses.at(-1)?.holds) break
    }
    const holds = clauses.every(clause => clause.holds)
    traces.push({ holds, clauses })
    if (holds) break
  }
  return traces
}

/** Undefined for a match whose every list is empty. */
function compileMatch(match: Match): Test<ConnectionFacts> | undefined {
  const tests = [
    pair(match.namespaces, match.notNamespaces, list => ofNamespace(anyString(list))),
    pair(match.principals, match.notPrincipals, list => ofPrincipal(anyString(list))),
    pair(match.serviceAccounts, match.notServiceAccounts, anyServiceAccount),
    pair(match.sourceIps, match.notSourceIps, list => ofSourceIp(anyPrefix(list))),
    pair(match.destinationIps, match.notDestinationIps, list => ofDestinationIp(anyPrefix(list))),
    pair(match.destinationPorts, match.notDestinationPorts, list => ofPort(anyPort(list)))
  ].filter(test => test !== undefined)
  const [only] = tests
  if (only === undefined || tests.length === 1) return only
  return facts => {
    for (const test of tests) if (!test(facts)) return false
    return true
  }
}

/** Some element of the positive list, if it has any, and none of the negative one. */
function pair<Element>(
  positive: readonly Element[],
  negative: readonly Element[],
  compile: (list: readonly Element[]) => Test<ConnectionFacts>
): Test<ConnectionFacts> | undefined {
  if (positive.length === 0 && negative.length === 0) return undefined
  const hits = positive.length === 0 ? () => true : compile(positive)
  const excluded = negative.length === 0 ? () => false : compile(negative)
  return facts => hits(facts) && !excluded(facts)
}

const ofNamespace =
  (test: Test<string>): Test<ConnectionFacts> =>
  ({ namespace }) =>
    test(namespace)

const ofPrincipal =
  (test: Test<string>): Test<ConnectionFacts> =>
  ({ principal }) =>
    principal !== undefined && test(principal)

const ofSourceIp =
  (test: Test<Uint8Array>): Test<ConnectionFacts> =>
  ({ sourceIp }) =>
    test(sourceIp())

const ofDestinationIp =
  (test: Test<Uint8Array>): Test<ConnectionFacts> =>
  ({ destinationIp }) =>
    test(destinationIp())

const ofPort =
  (test: Test<number>): Test<ConnectionFacts> =>
  ({ port }) =>
    test(port)
