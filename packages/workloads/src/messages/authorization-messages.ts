import type { ExtensionMessage } from './workload-messages.ts'

/** `istio.security` as it is on the wire (docs/spec/authorization.md 1.2). */
export interface AuthorizationMessage {
  readonly name?: string
  readonly namespace?: string
  /** PolicyScope */
  readonly scope?: number
  /** PolicyAction */
  readonly action?: number
  readonly rules?: readonly RuleMessage[]
  readonly dryRun?: boolean
  readonly extensions?: readonly ExtensionMessage[]
}

export interface RuleMessage {
  readonly clauses?: readonly ClauseMessage[]
}

export interface ClauseMessage {
  readonly matches?: readonly MatchMessage[]
}

export interface MatchMessage {
  readonly namespaces?: readonly StringMatchMessage[]
  readonly notNamespaces?: readonly StringMatchMessage[]
  readonly principals?: readonly StringMatchMessage[]
  readonly notPrincipals?: readonly StringMatchMessage[]
  readonly sourceIps?: readonly PrefixMessage[]
  readonly notSourceIps?: readonly PrefixMessage[]
  readonly destinationIps?: readonly PrefixMessage[]
  readonly notDestinationIps?: readonly PrefixMessage[]
  readonly destinationPorts?: readonly number[]
  readonly notDestinationPorts?: readonly number[]
  readonly serviceAccounts?: readonly ServiceAccountMatchMessage[]
  readonly notServiceAccounts?: readonly ServiceAccountMatchMessage[]
  readonly extensions?: readonly ExtensionMessage[]
}

/** One of the four. */
export interface StringMatchMessage {
  readonly exact?: string
  readonly prefix?: string
  readonly suffix?: string
  readonly presence?: Readonly<Record<never, never>>
}

/** `istio.security.Address`. */
export interface PrefixMessage {
  readonly address?: Uint8Array
  readonly length?: number
}

export interface ServiceAccountMatchMessage {
  readonly namespace?: string
  readonly serviceAccount?: string
}
