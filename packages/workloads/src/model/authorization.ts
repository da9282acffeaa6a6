/** A policy as the proxy keeps it (docs/spec/authorization.md 1), values after conversion. */
export interface Authorization {
  readonly name: string
  readonly namespace: string
  readonly scope: 'Global' | 'Namespace' | 'WorkloadSelector'
  readonly action: 'Allow' | 'Deny'
  /** Evaluated and logged, never enforced. */
  readonly dryRun: boolean
  /** Any rule. */
  readonly rules: readonly Rule[]
}

/** All clauses. */
export type Rule = readonly Clause[]

/** Any match. */
export type Clause = readonly Match[]

/** Every list that is not empty must hold: some element of a positive one, no element of a negative one. */
export interface Match {
  readonly namespaces: readonly StringMatch[]
  readonly notNamespaces: readonly StringMatch[]
  readonly principals: readonly StringMatch[]
  readonly notPrincipals: readonly StringMatch[]
  readonly serviceAccounts: readonly ServiceAccountMatch[]
  readonly notServiceAccounts: readonly ServiceAccountMatch[]
  readonly sourceIps: readonly Cidr[]
  readonly notSourceIps: readonly Cidr[]
  readonly destinationIps: readonly Cidr[]
  readonly notDestinationIps: readonly Cidr[]
  readonly destinationPorts: readonly number[]
  readonly notDestinationPorts: readonly number[]
}

export type StringMatch =
  | { readonly kind: 'exact' | 'prefix' | 'suffix'; readonly value: string }
  | { readonly kind: 'presence' }

export interface ServiceAccountMatch {
  readonly namespace: string
  readonly serviceAccount: string
}

/** Host bits may be set; they mean nothing. */
export interface Cidr {
  readonly ip: string
  readonly prefixLength: number
}

/** No list at all: to build matches from. By itself it never hits (docs/spec/authorization.md 2.2). */
export const emptyMatch: Match = {
  namespaces: [],
  notNamespaces: [],
  principals: [],
  notPrincipals: [],
  serviceAccounts: [],
  notServiceAccounts: [],
  sourceIps: [],
  notSourceIps: [],
  destinationIps: [],
  notDestinationIps: [],
  destinationPorts: [],
  notDestinationPorts: []
}
