/** Who leads, as client-go keeps it: in the annotation of a ConfigMap, or in the spec of a Lease. */
export interface LeaderRecord {
  readonly holder: string
  readonly leaseSeconds: number
  /** Milliseconds since the epoch. */
  readonly acquiredAt: number
  readonly renewedAt: number
  readonly transitions: number
}

export type ElectionStep =
  | { readonly kind: 'wait' }
  /** Write this; whoever's write the API server accepts has the lead. */
  | { readonly kind: 'take' | 'renew'; readonly record: LeaderRecord }

/**
 * What one look at the record asks for. A record counts as abandoned when it has not changed for its lease by *our*
 * clock (`unchangedSince`): the holder's clock may be off.
 */
export function electionStep(
  record: LeaderRecord | undefined,
  options: { identity: string; leaseSeconds: number; now: number; unchangedSince: number }
): ElectionStep {
  const { identity, leaseSeconds, now, unchangedSince } = options
  if (record?.holder === identity) return { kind: 'renew', record: { ...record, leaseSeconds, renewedAt: now } }
  const held = record !== undefined && record.holder !== ''
  if (held && now - unchangedSince < record.leaseSeconds * 1000) return { kind: 'wait' }
  const transitions = record === undefined ? 0 : record.transitions + 1
  return { kind: 'take', record: { holder: identity, leaseSeconds, acquiredAt: now, renewedAt: now, transitions } }
}
