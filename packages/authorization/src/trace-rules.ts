import type { Authorization, Match } from '@culvert/workloads'
import type { ConnectionFacts } from './connection-facts.ts'
import { anyPort, anyPrefix, anyServiceAccount, anyString, type Test } from './predicates.ts'

export interface RuleTrace {
  readonly holds: boolean
  /** Up to the first that fails: positions of the matches that hit; undefined in a clause without matches, or without hit. */
  readonly clauses: readonly { readonly holds: boolean; readonly match?: number }[]
}

/**
 * How a policy comes to speak of a connection or not, read as it is written (docs/spec/authorization.md 2.2): no rules,
 * never; no clauses, always. Ends with the first rule that holds. For explanations: verdicts are `policyList`'s.
 */
export function traceRules({ rules }: Authorization, facts: ConnectionFacts): readonly RuleTrace[] {
  const traces: RuleTrace[] = []
  for (const rule of rules) {
    const clauses: RuleTrace['clauses'][number][] = []
    for (const clause of rule) {
      const match = clause.findIndex(candidate => matchTest(candidate)?.(facts))
      clauses.push({ holds: clause.length === 0 || match >= 0, ...(match >= 0 && { match }) })
      if (!clauses.at(-1)?.holds) break
    }
    const holds = clauses.every(clause => clause.holds)
    traces.push({ holds, clauses })
    if (holds) break
  }
  return traces
}

/** Undefined for a match whose every list is empty. */
function matchTest(match: Match): Test<ConnectionFacts> | undefined {
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
