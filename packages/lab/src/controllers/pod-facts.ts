import type { V1Pod } from '@culvert/kubernetes'

export function isReady(pod: V1Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true
}

export const isFinished = ({ status }: V1Pod): boolean => status?.phase === 'Succeeded' || status?.phase === 'Failed'

export const isTerminating = ({ metadata }: V1Pod): boolean => metadata?.deletionTimestamp !== undefined

export const isActive = (pod: V1Pod): boolean => !isFinished(pod) && !isTerminating(pod)

/** Milliseconds until a ready pod has been so for long enough; 0 when it has, undefined when it is not ready. */
export function untilAvailable(pod: V1Pod, minReadySeconds: number, now: number): number | undefined {
  const ready = pod.status?.conditions?.find(({ type }) => type === 'Ready')
  if (ready?.status !== 'True') return undefined
  if (minReadySeconds === 0) return 0
  return Math.max(0, Date.parse(String(ready.lastTransitionTime)) + minReadySeconds * 1000 - now)
}

/** Of such waits the shortest that time alone ends; 0 when there is none. */
export function shortestWait(waits: readonly (number | undefined)[]): number {
  const pending = waits.filter(wait => wait !== undefined && wait > 0)
  return pending.length === 0 ? 0 : Math.min(...pending.map(Number))
}

/** Which of two pods to delete first: the one that matters less. */
export function byDispensability(a: V1Pod, b: V1Pod): number {
  const rank = (pod: V1Pod): number =>
    (pod.spec?.nodeName === undefined ? 0 : 4) + (pod.status?.phase === 'Running' ? 2 : 0) + (isReady(pod) ? 1 : 0)
  const created = (pod: V1Pod): number => Date.parse(String(pod.metadata?.creationTimestamp))
  // The younger one of two alike.
  return rank(a) - rank(b) || created(b) - created(a)
}
