import type { Authorization, Clause, Match, Rule } from '@culvert/workloads'
import type { ConnectionFacts } from './connection-facts.ts'
import { anyPort, anyPrefix, anyServiceAccount, anyString, type Test } from './predicates.ts'

/** Whether a policy speaks of a connection: docs/spec/authorization.md 2.2. */
export function compilePolicy({ rules }: Authorization): Test<ConnectionFacts> {
  const tests = rules.map(compileRule)
  // No rules: never. An ALLOW like this allows nothing.
  return facts => tests.some(test => test(facts))
}

/** No clauses: always. */
function compileRule(clauses: Rule): Test<ConnectionFacts> {
  const tests = clauses.map(compileClause)
  return facts => tests.every(test => test(facts))
}

/** No matches: always. But matches that say nothing never hit, so a clause of only those does not either. */
function compileClause(matches: Clause): Test<ConnectionFacts> {
  if (matches.length === 0) return () => true
  const tests = matches.map(compileMatch).filter(test => test !== undefined)
  return facts => tests.some(test => test(facts))
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
  return tests.length === 0 ? undefined : facts => tests.every(test => test(facts))
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
