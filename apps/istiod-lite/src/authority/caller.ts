/** Whoever an authenticator vouches for. */
export interface Caller {
  /** What a certificate without impersonation is for. */
  readonly identities: readonly string[]
  readonly namespace: string
  readonly serviceAccount: string
  /** Only a token bound to a pod says which; without it nobody can impersonate. */
  readonly pod: { readonly name: string; readonly uid: string } | undefined
}
