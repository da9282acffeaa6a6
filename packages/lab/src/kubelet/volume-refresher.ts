import type { V1Pod } from '@culvert/kubernetes'
import type { PodVolumes } from '../volumes/pod-volumes.ts'
import type { TokenSource } from '../volumes/token-source.ts'
import { createBackOff, pause } from './back-off.ts'
import type { WatchedSources } from './object-sources.ts'

export interface RefresherOptions {
  readonly volumes: PodVolumes
  readonly tokens: TokenSource
  readonly sources: WatchedSources
  readonly pod: () => V1Pod
  /** Resolves with the pod's next change. */
  readonly podChanged: () => Promise<void>
  readonly signal: AbortSignal
  readonly onError: (error: unknown) => void
}

/** A pod without tokens is looked at again this often all the same. */
const idleMs = 60 * 60 * 1000

/** Changes that come together are written together. */
const settleMs = 50

/** Rewrites a pod's files when its ConfigMaps, Secrets, labels or annotations change and before its tokens expire. */
export async function keepVolumesFresh(options: RefresherOptions): Promise<void> {
  const { volumes, tokens, sources, pod, podChanged, signal, onError } = options
  const backOff = createBackOff(1000, 60_000)
  let sourceChanged = Promise.withResolvers<void>()
  const stopListening = sources.onChange(namespace => {
    if (namespace !== pod().metadata!.namespace) return
    sourceChanged.resolve()
    sourceChanged = Promise.withResolvers()
  })
  const nextChange = (): Promise<void> => Promise.race([sourceChanged.promise, podChanged()])
  try {
    let changed = nextChange()
    while (!signal.aborted) {
      const timer = new AbortController()
      const due = pause(tokens.untilRenewal() ?? idleMs, AbortSignal.any([signal, timer.signal]))
      await Promise.race([due, changed])
      timer.abort()
      await pause(settleMs, signal)
      if (signal.aborted) return
      // What changes from here on may come too late for this turn.
      changed = nextChange()
      try {
        await volumes.refresh(pod())
        backOff.reset()
      } catch (error) {
        onError(error)
        await pause(backOff.next(), signal)
      }
    }
  } finally {
    stopListening()
  }
}
