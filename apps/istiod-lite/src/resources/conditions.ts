/** One condition that the control plane wants on an object. */
export interface WantedCondition {
  readonly type: string
  readonly status: 'True' | 'False'
  readonly reason: string
  readonly message: string
}

/** What one field manager says of an object; a type that it owns and does not want is pruned. */
export interface ManagedStatus {
  readonly fieldManager: string
  readonly owns: readonly string[]
  readonly wants: readonly WantedCondition[]
}

export const ztunnelPolicyManager = 'istio-ambient-ztunnel-policy'
export const waypointPolicyManager = 'istio-ambient-waypoint-policy'
export const serviceManager = 'istio-ambient-service'
export const workloadEntryManager = 'istio-ambient-workloadentry'
