import { type AuthorizationMessage, PolicyAction, PolicyScope } from '@culvert/workloads'
import type { Waypoint } from './waypoint.ts'

const waypointPolicyName = ({ namespace, name }: Pick<Waypoint, 'namespace' | 'name'>): string =>
  `istio_allow_waypoint_${namespace}_${name}`

/**
 * Lets the waypoint's own pods in, and so, being an ALLOW, nobody else who is not allowed (docs/spec/authorization.md
 * 6.3). `accounts` has one entry per pod.
 */
export function waypointPolicy(
  waypoint: Pick<Waypoint, 'namespace' | 'name'>,
  accounts: readonly string[],
  trustDomain: string
): AuthorizationMessage | undefined {
  if (accounts.length === 0) return undefined
  const { namespace } = waypoint
  const principals = accounts.map(account => ({ exact: `${trustDomain}/ns/${namespace}/sa/${account}` }))
  return {
    name: waypointPolicyName(waypoint),
    namespace,
    scope: PolicyScope.WORKLOAD_SELECTOR,
    action: PolicyAction.ALLOW,
    rules: [{ clauses: [{ matches: [{ principals }] }] }]
  }
}
