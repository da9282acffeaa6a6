import type { V1Pod } from '@culvert/kubernetes'
import { unmapAddress } from '@culvert/netns'
import type { WorkloadInfo } from '@culvert/zds'

/** `enabled`: rules, ztunnel and probe address are in place; `pending`: no ztunnel has taken the pod yet. */
export type Redirection = 'enabled' | 'pending'
export const redirectionAnnotation = 'ambient.istio.io/redirection'

export function redirectionOf(pod: V1Pod): Redirection | undefined {
  const value = pod.metadata?.annotations?.[redirectionAnnotation]
  return value === 'enabled' || value === 'pending' ? value : undefined
}

export function podUid(pod: V1Pod): string {
  return pod.metadata?.uid ?? ''
}

/** `namespace/name`, for messages and look-ups. */
export function podName(pod: V1Pod): string {
  return `${pod.metadata?.namespace}/${pod.metadata?.name}`
}

/** The addresses of the status, v4-mapped ones unwrapped. */
export function podIps(pod: V1Pod): readonly string[] {
  const listed = (pod.status?.podIPs ?? []).map(({ ip }) => ip).filter(ip => ip !== undefined && ip !== '')
  const single = pod.status?.podIP
  return (listed.length > 0 ? listed : single ? [single] : []).map(ip => unmapAddress(ip as string))
}

export function isTerminal(pod: V1Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'
}

/** The mesh's own proxies are never captured. */
export function isZtunnelPod(pod: V1Pod, systemNamespace: string): boolean {
  return pod.metadata?.namespace === systemNamespace && pod.metadata?.labels?.app === 'ztunnel'
}

export function workloadInfo(pod: V1Pod): WorkloadInfo {
  return {
    name: pod.metadata?.name ?? '',
    namespace: pod.metadata?.namespace ?? '',
    serviceAccount: pod.spec?.serviceAccountName ?? ''
  }
}

export function sameAddresses(a: readonly string[], b: readonly string[]): boolean {
  const [left, right] = [new Set(a), new Set(b)]
  return left.size === right.size && [...left].every(ip => right.has(ip))
}
