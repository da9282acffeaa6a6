import { setTimeout as pause } from 'node:timers/promises'
import type { Informer, V1Namespace, V1Pod } from '@culvert/kubernetes'
import { type EnablementSelector, isEligible } from '../eligibility.ts'
import { NodeAgentError } from '../errors.ts'
import type { PodAddEvent } from '../event-server.ts'
import type { Enrolment } from './enrolment.ts'

export interface PluginEventOptions {
  readonly pods: Pick<Informer<V1Pod>, 'get'>
  readonly namespaces: Pick<Informer<V1Namespace>, 'get'>
  readonly selectors: readonly EnablementSelector[]
  readonly enrolment: Pick<Enrolment, 'add'>
  readonly wait?: (milliseconds: number) => Promise<unknown>
}

const looks = 11
const betweenLooks = 10

/**
 * Enrols the pod that the plugin tells of (docs/spec/cni.md 4.2). The exclude list is the plugin's affair, and the
 * addresses are the event's: the pod's status has none yet.
 */
export function createPluginEventHandler(
  options: PluginEventOptions
): (event: PodAddEvent, signal: AbortSignal) => Promise<void> {
  const { pods, namespaces, selectors, enrolment, wait = pause } = options
  return async (event, signal) => {
    const name = `${event.podNamespace}/${event.podName}`
    for (let look = 1; ; look++) {
      // The watch may be a little behind the plugin.
      const pod = pods.get(event.podNamespace, event.podName)
      const namespace = namespaces.get(undefined, event.podNamespace)
      if (pod !== undefined && namespace !== undefined) {
        if (!isEligible(pod, namespace.metadata?.labels ?? {}, selectors)) {
          throw new NodeAgentError(
            'AGENT_NOT_ELIGIBLE',
            `pod ${name} is unexpectedly not eligible for ambient enrollment`
          )
        }
        return await enrolment.add(pod, event.ips, { netnsPath: event.netns, signal })
      }
      if (look === looks) {
        const what = pod === undefined ? `pod ${name}` : `namespace ${event.podNamespace}`
        throw new NodeAgentError('AGENT_UNKNOWN_POD', `${what} is not known to the node agent`)
      }
      await wait(betweenLooks)
    }
  }
}
