import type { V1Pod } from '@culvert/kubernetes'
import { isTerminal, podIps, redirectionOf, sameAddresses } from './pod-facts.ts'

/** What an event about a pod asks for. `readdress`: only its addresses in the host's set changed. */
export type PodAction =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'readdress'; readonly ips: readonly string[] }
  | { readonly kind: 'add'; readonly ips: readonly string[] }
  | { readonly kind: 'remove'; readonly pod: V1Pod; readonly deleted: boolean }

const nothing: PodAction = { kind: 'nothing' }

export interface UpdateInput {
  /** The pod before the event. */
  readonly old: V1Pod
  /** The pod as it is now, which may be later than the event. */
  readonly current: V1Pod
  /** Eligible, and its namespace not excluded. */
  readonly want: boolean
}

/** docs/spec/cni.md 4.5, "Pod update". */
export function decideUpdate({ old, current, want }: UpdateInput): PodAction {
  const redirection = redirectionOf(current)
  const enrolled = redirection === 'enabled'
  const terminal = isTerminal(current)
  // The final status may carry no address any more, which is needed to clear the host's set: the old object has it.
  if (redirection !== undefined && terminal) return { kind: 'remove', pod: old, deleted: true }
  if (terminal) return nothing
  const ips = podIps(current)
  if (enrolled && want) {
    return ips.length > 0 && !sameAddresses(ips, podIps(old)) ? { kind: 'readdress', ips } : nothing
  }
  if (!want) return redirection === undefined ? nothing : { kind: 'remove', pod: current, deleted: false }
  // Without an address a later update will come.
  return ips.length === 0 ? nothing : { kind: 'add', ips }
}

/** Eligibility counts too: a pod may die between the plugin's event and its annotation. */
export function decideDelete(pod: V1Pod, eligible: boolean): PodAction {
  return redirectionOf(pod) !== undefined || eligible ? { kind: 'remove', pod, deleted: true } : nothing
}
