import type { Authorization, Cidr, Match, ServiceAccountMatch, StringMatch } from '../model/authorization.ts'
import type { PolicyStore } from '../state/policy-store.ts'
import { type Dump, map } from './dump-workload.ts'

/** By key, `namespace/name`; each made when it is asked for. */
export function dumpPolicies(store: Pick<PolicyStore, 'policies'>): Iterable<Dump> {
  const policies = [...store.policies()].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  return map(policies, ([, policy]) => dumpPolicy(policy))
}

/** docs/spec/authorization.md 1.4. */
export function dumpPolicy({ rules, ...fields }: Authorization): Dump {
  return { ...fields, rules: rules.map(rule => rule.map(clause => clause.map(dumpMatch))) }
}

const dumpMatch = (match: Match): Dump =>
  Object.fromEntries(
    Object.entries(match)
      .filter(([, list]) => list.length > 0)
      .map(([name, list]) => [name, list.map(dumpElement)])
  )

function dumpElement(element: StringMatch | ServiceAccountMatch | Cidr | number): unknown {
  if (typeof element === 'number' || 'serviceAccount' in element) return element
  if ('ip' in element) return `${element.ip}/${element.prefixLength}`
  switch (element.kind) {
    case 'presence':
      return { Presence: [] }
    case 'exact':
      return { Exact: element.value }
    case 'prefix':
      return { Prefix: element.value }
    case 'suffix':
      return { Suffix: element.value }
  }
}
