/** Who makes a request, as a TokenReview words it. */
export interface User {
  readonly username: string
  readonly uid?: string
  readonly groups: readonly string[]
  readonly extra?: Readonly<Record<string, readonly string[]>>
}

export const admin: User = { username: 'kubernetes-admin', groups: ['system:masters', 'system:authenticated'] }
