import { setTimeout as sleep } from 'node:timers/promises'
import type { KubernetesClient, WatchEvent } from './client-types.ts'
import { KubernetesError } from './errors.ts'
import { transportError } from './http.ts'
import type { Informer, InformerHandler, InformerOptions } from './informer-types.ts'
import type { KubernetesObject } from './objects.ts'
import { createObjectCache } from './object-cache.ts'
import type { Resource } from './resource.ts'

const firstWait = 100
const longestWait = 10_000
// Five to ten minutes, different for every informer, so that they do not all come back at once.
const watchSeconds = () => 300 + Math.floor(Math.random() * 300)
// A watch that ends sooner than this without an event counts as failed, or a broken server would be asked in a tight loop.
const shortestWatch = 1000

/** Keeps a local copy of the objects of one kind. Nothing it meets after `start` is thrown: it is told to `onError` and retried. */
export function createInformer<T extends KubernetesObject>(
  client: Pick<KubernetesClient, 'list' | 'watch'>,
  res: Resource<T>,
  options: InformerOptions = {}
): Informer<T> {
  const { namespace, labelSelector, fieldSelector, missingKind = 'wait', onError = () => {} } = options
  const selection = { namespace, labelSelector, fieldSelector }
  const handlers = new Set<InformerHandler<T>>()
  let synced = false
  let started = false

  function tell(handler: InformerHandler<T>, call: () => void): void {
    if (!handlers.has(handler)) return
    try {
      call()
    } catch (cause) {
      const message = `a handler of ${res.plural} threw: ${cause instanceof Error ? cause.message : String(cause)}`
      onError(new KubernetesError('KUBERNETES_HANDLER_FAILED', message, { cause }))
    }
  }
  const cache = createObjectCache<T>({
    added: object => {
      for (const handler of [...handlers]) tell(handler, () => handler.added?.(object, !synced))
    },
    updated: (old, now) => {
      for (const handler of [...handlers]) tell(handler, () => handler.updated?.(old, now))
    },
    deleted: object => {
      for (const handler of [...handlers]) tell(handler, () => handler.deleted?.(object))
    }
  })

  /** Follows one watch to its end; returns the version to go on from. */
  async function follow(from: string, signal: AbortSignal): Promise<string> {
    let version = from
    const seconds = watchSeconds()
    // The server ends the watch by itself; one that outlives its time by this much is a dead connection.
    const overdue = AbortSignal.timeout((seconds + 60) * 1000)
    const watch = {
      ...selection,
      resourceVersion: from,
      timeoutSeconds: seconds,
      signal: AbortSignal.any([signal, overdue])
    }
    const begin = performance.now()
    try {
      for await (const event of client.watch(res, watch) as AsyncIterable<WatchEvent<T>>) {
        version = event.object.metadata?.resourceVersion ?? version
        if (event.type === 'DELETED') cache.remove(event.object)
        else if (event.type !== 'BOOKMARK') cache.put(event.object)
      }
    } catch (error) {
      if (error instanceof KubernetesError && error.code === 'KUBERNETES_GONE') throw error
      // What was received is kept: the next watch goes on from there.
      if (version === from || signal.aborted) throw error
      onError(transportError(error, `watch of ${res.plural}`, signal))
      return version
    }
    if (version === from && performance.now() - begin < shortestWatch) {
      throw new KubernetesError('KUBERNETES_BAD_RESPONSE', `watch of ${res.plural} ended at once`)
    }
    return version
  }

  async function run(signal: AbortSignal, becameSynced: () => void): Promise<void> {
    let wait = firstWait
    let version: string | undefined
    const nowSynced = () => {
      synced = true
      becameSynced()
    }
    while (!signal.aborted) {
      try {
        if (version === undefined) {
          const list = await client.list(res, { ...selection, signal })
          cache.replaceAll(list.items)
          version = list.resourceVersion
          nowSynced()
        }
        version = await follow(version, signal)
        wait = firstWait
      } catch (cause) {
        if (signal.aborted) return
        const error = transportError(cause, `watch of ${res.plural}`, signal)
        const gone = error.code === 'KUBERNETES_GONE'
        const missing = error.status === 404
        if (gone || missing) version = undefined
        if (missing && missingKind === 'empty') {
          cache.replaceAll([])
          nowSynced()
          wait = Math.max(wait, 1000)
        }
        onError(error)
        // An expired version calls for a fresh list at once, but not for one in a tight loop.
        if (gone && wait === firstWait) {
          wait *= 2
          continue
        }
        // Full jitter over the upper half keeps many informers of many pods apart after an API server restart.
        await sleep(wait * (0.5 + Math.random() / 2), undefined, { signal, ref: false }).catch(() => {})
        wait = Math.min(longestWait, wait * 2)
      }
    }
  }

  return {
    get synced() {
      return synced
    },
    get: cache.get,
    list: cache.list,
    on(handler) {
      // A copy, so that the same handler object registered twice is two registrations.
      const own: InformerHandler<T> = {
        added: (object, initial) => handler.added?.(object, initial),
        updated: (old, now) => handler.updated?.(old, now),
        deleted: object => handler.deleted?.(object)
      }
      handlers.add(own)
      for (const object of cache.list()) tell(own, () => own.added?.(object, true))
      return () => {
        handlers.delete(own)
      }
    },
    start({ signal }) {
      if (started) throw new KubernetesError('KUBERNETES_INVALID', `the informer of ${res.plural} was already started`)
      started = true
      return new Promise((resolve, reject) => {
        const aborted = () =>
          reject(new KubernetesError('KUBERNETES_ABORTED', `stopped before ${res.plural} were in sync`))
        if (signal.aborted) return aborted()
        signal.addEventListener('abort', aborted, { once: true })
        void run(signal, () => {
          signal.removeEventListener('abort', aborted)
          resolve()
        })
      })
    }
  }
}
