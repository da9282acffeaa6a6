import {
  type Authorization,
  type Cidr,
  ipBytes,
  type Match,
  type ServiceAccountMatch,
  type StringMatch
} from '@culvert/workloads'
import type { ConnectionFacts } from './connection-facts.ts'

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
      const match = clause.findIndex(candidate => matchHits(candidate, facts))
      clauses.push({ holds: clause.length === 0 || match >= 0, ...(match >= 0 && { match }) })
      if (!clauses.at(-1)?.holds) break
    }
    const holds = clauses.every(clause => clause.holds)
    traces.push({ holds, clauses })
    if (holds) break
  }
  return traces
}

function matchHits(match: Match, facts: ConnectionFacts): boolean {
  const { namespace, principal, port } = facts
  return (
    Object.values(match).some(list => list.length > 0) &&
    pass(match.namespaces, match.notNamespaces, wanted => stringHits(wanted, namespace)) &&
    pass(match.principals, match.notPrincipals, wanted => principal !== undefined && stringHits(wanted, principal)) &&
    pass(match.serviceAccounts, match.notServiceAccounts, wanted => accountHits(wanted, facts)) &&
    pass(match.sourceIps, match.notSourceIps, wanted => prefixHits(wanted, facts.sourceIp())) &&
    pass(match.destinationIps, match.notDestinationIps, wanted => prefixHits(wanted, facts.destinationIp())) &&
    pass(match.destinationPorts, match.notDestinationPorts, wanted => wanted === port)
  )
}

/** Some element of the positive list, if it has any, and none of the negative one. */
const pass = <Element>(
  positive: readonly Element[],
  negative: readonly Element[],
  hits: (element: Element) => boolean
): boolean => (positive.length === 0 || positive.some(hits)) && !negative.some(hits)

/** docs/spec/authorization.md 2.3. */
function stringHits(wanted: StringMatch, value: string): boolean {
  if (wanted.kind === 'presence') return value !== ''
  if (wanted.kind === 'exact') return value === wanted.value
  return wanted.kind === 'prefix' ? value.startsWith(wanted.value) : value.endsWith(wanted.value)
}

/** The trust domain does not count; plaintext has no account. */
const accountHits = (wanted: ServiceAccountMatch, { namespace, serviceAccount }: ConnectionFacts): boolean =>
  wanted.serviceAccount === serviceAccount && wanted.namespace === namespace

/** An address of the other family is in no prefix. */
function prefixHits({ ip, prefixLength }: Cidr, address: Uint8Array): boolean {
  const prefix = ipBytes(ip)
  if (prefix.length !== address.length) return false
  const whole = prefixLength >> 3
  for (let i = 0; i < whole; i++) if (prefix[i] !== address[i]) return false
  const rest = prefixLength & 7
  return rest === 0 || (prefix[whole]! ^ address[whole]!) >> (8 - rest) === 0
}
