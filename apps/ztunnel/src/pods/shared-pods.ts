import type { Log } from '@culvert/telemetry'
import { createPodSet, createZdsClient, type Pod, type PodProxy } from '@culvert/zds'
import type { NodeCertificates } from '../node/certificates.ts'
import type { PodMetrics } from '../observe/node-metrics.ts'
import { type PodStarterOptions, startPod } from './pod-starter.ts'
import type { PodStates } from './pod-states.ts'

export interface SharedPodsOptions {
  readonly starter: PodStarterOptions
  readonly states: PodStates
  readonly certificates: Pick<NodeCertificates, 'follow'>
  readonly metrics: PodMetrics | undefined
  readonly log: Log
  /** Snapshot received and nothing pending, or not any more. */
  readonly onReady: (ready: boolean) => void
  /** The node agent speaks another version of the protocol. */
  readonly onFatal: (error: Error) => void
}

export interface SharedPods {
  readonly start: () => void
  /** Leaves the node agent first, so that it stops counting on us, then drains every pod. */
  readonly drain: (options: { readonly deadline: AbortSignal }) => Promise<void>
}

/** The pods of this node, as the node agent hands them over. */
export function createSharedPods(options: SharedPodsOptions): SharedPods {
  const { certificates, metrics, states, starter } = options
  const log = options.log.scope('ztunnel::inpod::statemanager')

  const start = async (pod: Pod): Promise<PodProxy> => {
    const { uid } = pod
    const { name, namespace } = pod.info
    log.info('pod received, starting proxy', { uid, name, namespace })
    const state = states.starting(uid, pod.info)
    const leave = certificates.follow({ uid, ...pod.info })
    const started = await startPod(starter, pod.info, pod.netns).catch((error: unknown) => {
      leave()
      throw error
    })
    state.up(started.live)
    const ending = async (end: Promise<void>): Promise<void> => {
      await end
      leave()
      state.gone()
    }
    return { close: () => ending(started.close()), drain: drainOptions => ending(started.drain(drainOptions)) }
  }

  const pods = createPodSet({
    start,
    log,
    onReady: ready => {
      options.onReady(ready)
      if (ready) client.becameReady()
    },
    onStarted: () => metrics?.started.add(1),
    onStopped: uid => {
      log.info('pod gone, stopping proxy', { uid })
      metrics?.stopped.add(1)
    },
    onCounts: ({ active, pending }) => {
      metrics?.active.set(active)
      metrics?.pending.set(pending)
    }
  })
  const client = createZdsClient({
    path: starter.settings.zdsPath,
    handler: pods,
    log: options.log.scope('ztunnel::inpod::workloadmanager'),
    onFatal: options.onFatal
  })
  return {
    start: () => client.start(),
    drain: async drainOptions => {
      await client.stop()
      await pods.drain(drainOptions)
    }
  }
}
