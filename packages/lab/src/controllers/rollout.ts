/** What a rolling update needs to know of a ReplicaSet. */
export interface Replicas {
  /** `spec.replicas` */
  readonly wanted: number
  /** `status.availableReplicas` */
  readonly available: number
}

export interface RolloutInput {
  readonly replicas: number
  readonly maxSurge: number | string | undefined
  readonly maxUnavailable: number | string | undefined
  readonly current: Replicas
  /** Of earlier templates, oldest first. */
  readonly old: readonly Replicas[]
}

export interface RolloutStep {
  readonly current: number
  readonly old: readonly number[]
}

/**
 * The next step of a rolling update: how many pods each ReplicaSet should have, so that there are never more than
 * `replicas + maxSurge` pods and never fewer than `replicas - maxUnavailable` available ones.
 */
export function rolloutStep({ replicas, maxSurge, maxUnavailable, current, old }: RolloutInput): RolloutStep {
  const surge = resolveCount(maxSurge ?? '25%', replicas, Math.ceil)
  const asked = resolveCount(maxUnavailable ?? '25%', replicas, Math.floor)
  // With neither to spare nothing could ever move.
  const unavailable = surge === 0 && asked === 0 ? 1 : asked
  const oldWanted = sum(old.map(({ wanted }) => wanted))
  const room = Math.max(0, replicas + surge - current.wanted - oldWanted)
  const grown = current.wanted > replicas ? replicas : Math.min(replicas, current.wanted + room)

  const minAvailable = replicas - unavailable
  const currentUnavailable = Math.max(0, current.wanted - current.available)
  let removable = Math.max(0, current.wanted + oldWanted - minAvailable - currentUnavailable)
  // Pods that do not work first: taking them away makes nothing unavailable.
  const healthy = old.map(({ wanted, available }) => {
    const broken = Math.min(removable, Math.max(0, wanted - available))
    removable -= broken
    return wanted - broken
  })
  let spare = Math.max(0, current.available + sum(old.map(({ available }) => available)) - minAvailable)
  const shrunk = healthy.map(wanted => {
    const taken = Math.min(spare, removable, wanted)
    spare -= taken
    removable -= taken
    return wanted - taken
  })
  return { current: grown, old: shrunk }
}

/** A count, or a share of the whole. */
export function resolveCount(value: number | string, whole: number, round: (value: number) => number): number {
  if (typeof value === 'number') return value
  const share = /^(\d+)%$/.exec(value)
  return share === null ? Number(value) || 0 : round((Number(share[1]) * whole) / 100)
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
