import type {
  AuthorizationMessage,
  ClauseMessage,
  MatchMessage,
  PrefixMessage,
  RuleMessage,
  StringMatchMessage
} from '../messages/authorization-messages.ts'
import type { Authorization, Cidr, Clause, Match, Rule, StringMatch } from '../model/authorization.ts'
import { ipFromBytes } from '../model/ip.ts'
import { portNumber } from './gateway-address.ts'
import { known } from './reject.ts'

const scopes = { 0: 'Global', 1: 'Namespace', 2: 'WorkloadSelector' } as const
const actions = { 0: 'Allow', 1: 'Deny' } as const

/** Throws WORKLOADS_REJECTED for an unknown scope or action; odder parts are dropped (docs/spec/authorization.md 1.3). */
export function convertAuthorization(message: AuthorizationMessage): Authorization {
  return {
    name: message.name ?? '',
    namespace: message.namespace ?? '',
    scope: known(scopes, message.scope, 'scope'),
    action: known(actions, message.action, 'action'),
    dryRun: message.dryRun ?? false,
    rules: (message.rules ?? []).map(convertRule)
  }
}

const convertRule = ({ clauses }: RuleMessage): Rule => (clauses ?? []).map(convertClause)

const convertClause = ({ matches }: ClauseMessage): Clause => (matches ?? []).map(convertMatch)

function convertMatch(message: MatchMessage): Match {
  return {
    namespaces: strings(message.namespaces),
    notNamespaces: strings(message.notNamespaces),
    principals: strings(message.principals),
    notPrincipals: strings(message.notPrincipals),
    serviceAccounts: accounts(message.serviceAccounts),
    notServiceAccounts: accounts(message.notServiceAccounts),
    sourceIps: prefixes(message.sourceIps),
    notSourceIps: prefixes(message.notSourceIps),
    destinationIps: prefixes(message.destinationIps),
    notDestinationIps: prefixes(message.notDestinationIps),
    destinationPorts: (message.destinationPorts ?? []).map(portNumber),
    notDestinationPorts: (message.notDestinationPorts ?? []).map(portNumber)
  }
}

const strings = (messages: readonly StringMatchMessage[] = []): readonly StringMatch[] => messages.flatMap(stringMatch)

function stringMatch({ exact, prefix, suffix, presence }: StringMatchMessage): readonly StringMatch[] {
  if (exact !== undefined) return [{ kind: 'exact', value: exact }]
  if (prefix !== undefined) return [{ kind: 'prefix', value: prefix }]
  if (suffix !== undefined) return [{ kind: 'suffix', value: suffix }]
  return presence === undefined ? [] : [{ kind: 'presence' }]
}

const accounts = (messages: MatchMessage['serviceAccounts'] = []): Match['serviceAccounts'] =>
  messages.map(({ namespace, serviceAccount }) => ({
    namespace: namespace ?? '',
    serviceAccount: serviceAccount ?? ''
  }))

const prefixes = (messages: readonly PrefixMessage[] = []): readonly Cidr[] => messages.flatMap(prefix)

/** An absent length is 0: the whole family. */
function prefix({ address, length }: PrefixMessage): readonly Cidr[] {
  const ip = ipFromBytes(address ?? new Uint8Array())
  const prefixLength = (length ?? 0) & 0xff
  if (ip === undefined || prefixLength > (ip.includes(':') ? 128 : 32)) return []
  return [{ ip, prefixLength }]
}
