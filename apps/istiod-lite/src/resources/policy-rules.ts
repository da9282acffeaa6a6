import type {
  AuthorizationCondition,
  AuthorizationOperation,
  AuthorizationRule,
  AuthorizationSource
} from '@culvert/kubernetes'
import type { ClauseMessage, MatchMessage, RuleMessage } from '@culvert/workloads'
import { portMatches, prefixMatches, serviceAccountMatches, stringMatches } from './policy-matches.ts'

export interface TranslatedRule {
  readonly rule: RuleMessage
  /** Names of the HTTP attributes that ztunnel cannot check. */
  readonly httpAttributes: readonly string[]
}

const httpSourceFields = ['remoteIpBlocks', 'notRemoteIpBlocks', 'requestPrincipals', 'notRequestPrincipals'] as const
const httpOperationFields = ['hosts', 'notHosts', 'methods', 'notMethods', 'paths', 'notPaths'] as const

const filled = (values: unknown): boolean => Array.isArray(values) && values.length > 0

/** Drops empty lists, so that "nothing to test" is one thing. */
function match(fields: MatchMessage): MatchMessage {
  return Object.fromEntries(Object.entries(fields).filter(([, values]) => filled(values))) as MatchMessage
}

function operationMatch(operation: AuthorizationOperation): MatchMessage {
  return match({
    destinationPorts: portMatches(operation.ports),
    notDestinationPorts: portMatches(operation.notPorts)
  })
}

function sourceMatch(source: AuthorizationSource, namespace: string): MatchMessage {
  return match({
    sourceIps: prefixMatches(source.ipBlocks),
    notSourceIps: prefixMatches(source.notIpBlocks),
    namespaces: stringMatches(source.namespaces),
    notNamespaces: stringMatches(source.notNamespaces),
    serviceAccounts: serviceAccountMatches(source.serviceAccounts, namespace),
    notServiceAccounts: serviceAccountMatches(source.notServiceAccounts, namespace),
    principals: stringMatches(source.principals),
    notPrincipals: stringMatches(source.notPrincipals)
  })
}

/** Undefined: a key that only HTTP can answer (docs/spec/authorization.md 4.3). */
function conditionMatch({ key, values, notValues }: AuthorizationCondition): MatchMessage | undefined {
  switch (key) {
    case 'source.ip':
      return match({ sourceIps: prefixMatches(values), notSourceIps: prefixMatches(notValues) })
    case 'source.namespace':
      return match({ namespaces: stringMatches(values), notNamespaces: stringMatches(notValues) })
    case 'source.principal':
      return match({ principals: stringMatches(values), notPrincipals: stringMatches(notValues) })
    case 'destination.ip':
      return match({ destinationIps: prefixMatches(values), notDestinationIps: prefixMatches(notValues) })
    case 'destination.port':
      return match({ destinationPorts: portMatches(values), notDestinationPorts: portMatches(notValues) })
    default:
      return undefined
  }
}

/** One rule of a policy, clauses in the order `to`, `from`, `when`; HTTP parts are left out and named. */
export function translateRule(rule: AuthorizationRule, namespace: string): TranslatedRule {
  const clauses: ClauseMessage[] = []
  const http = new Set<string>()
  if (filled(rule.to)) {
    // Admission keeps entries without an operation or source out; here they become a Match that never hits.
    const operations = (rule.to ?? []).map(entry => entry?.operation ?? {})
    for (const operation of operations) {
      for (const field of httpOperationFields) if (filled(operation[field])) http.add(field)
    }
    clauses.push({ matches: operations.map(operationMatch) })
  }
  if (filled(rule.from)) {
    const sources = (rule.from ?? []).map(entry => entry?.source ?? {})
    for (const source of sources) {
      for (const field of httpSourceFields) if (filled(source[field])) http.add(field)
    }
    clauses.push({ matches: sources.map(source => sourceMatch(source, namespace)) })
  }
  for (const condition of rule.when ?? []) {
    const translated = conditionMatch(condition)
    if (translated === undefined) http.add(condition.key ?? '')
    clauses.push({ matches: [translated ?? {}] })
  }
  return { rule: { clauses }, httpAttributes: [...http] }
}

/** A Match without any test never hits, so a clause of such matches disables its rule. */
export function canMatch(rule: RuleMessage): boolean {
  return (rule.clauses ?? []).every(clause => (clause.matches ?? []).some(entry => Object.keys(entry).length > 0))
}
