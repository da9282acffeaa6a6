/** One type on one stream. */
export interface Subscription {
  readonly typeUrl: string
  readonly wildcard: boolean
  /** On-demand streams: the names they asked for or were given. A wildcard stream has none. */
  readonly names: Set<string>
  sentNonce: string
  ackedNonce: string
  sentAt: number
  lastError: string | undefined
}

/** Decided by the first request of the type: `*` given and not taken back, or nothing named at all. */
export function isWildcard(subscribe: readonly string[], unsubscribe: readonly string[]): boolean {
  return subscribe.length === 0 || (subscribe.includes('*') && !unsubscribe.includes('*'))
}
