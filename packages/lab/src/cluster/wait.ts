import {
  type KubernetesClient,
  KubernetesError,
  type KubernetesObject,
  type ObjectRef,
  type Resource
} from '@culvert/kubernetes'
import { createBackOff, pause } from '../kubelet/back-off.ts'
import { LabError } from '../errors.ts'
import type { WaitOptions } from './cluster-types.ts'

const defaultTimeout = 30_000

/** Where objects are watched, and the end of it: a closed cluster ends every wait. */
export interface WaitSource {
  readonly client: KubernetesClient
  readonly closed: AbortSignal
}

/**
 * Watches what the query selects until the condition returns a value. Everything that exists is looked at first, then
 * again after each change: no polling, no missed moment.
 */
export async function waitForObjects<T extends KubernetesObject, Result>(
  { client, closed }: WaitSource,
  resource: Resource<T>,
  query: { namespace?: string | undefined; labelSelector?: string | undefined; fieldSelector?: string | undefined },
  condition: (objects: T[]) => Result | undefined,
  options: WaitOptions & { explain: (objects: T[]) => string }
): Promise<Result> {
  const timeout = options.timeout ?? defaultTimeout
  const expired = AbortSignal.timeout(timeout)
  const signal = AbortSignal.any([expired, closed, ...(options.signal === undefined ? [] : [options.signal])])
  const known = new Map<string, T>()
  const backOff = createBackOff(50, 2000)
  const all = (): T[] => [...known.values()]
  while (!signal.aborted) {
    try {
      const { items, resourceVersion } = await client.list(resource, { ...query, signal })
      known.clear()
      for (const item of items) known.set(item.metadata!.uid!, item)
      const now = condition(all())
      if (now !== undefined) return now
      for await (const event of client.watch(resource, { ...query, resourceVersion, signal })) {
        if (event.type === 'BOOKMARK') continue
        if (event.type === 'DELETED') known.delete(event.object.metadata!.uid!)
        else known.set(event.object.metadata!.uid!, event.object)
        const result = condition(all())
        if (result !== undefined) return result
        backOff.reset()
      }
    } catch (error) {
      if (signal.aborted) break
      // 4xx other than "too old" will not get better by asking again.
      const status = error instanceof KubernetesError ? error.status : undefined
      if (status !== undefined && status >= 400 && status < 500 && status !== 410 && status !== 404) throw error
      await pause(backOff.next(), signal)
    }
  }
  if (!expired.aborted) throw new LabError('LAB_CLOSED', 'the wait was given up', { cause: signal.reason })
  const what = options.description ?? `${resource.plural} ${JSON.stringify(query)}`
  throw new LabError('LAB_TIMEOUT', `${what}: not within ${timeout} ms; ${options.explain(all())}`)
}

export function waitForObject<T extends KubernetesObject>(
  source: WaitSource,
  resource: Resource<T>,
  ref: ObjectRef,
  condition: (object: T | undefined) => boolean,
  options: WaitOptions = {}
): Promise<T | undefined> {
  const query = { namespace: ref.namespace, fieldSelector: `metadata.name=${ref.name}` }
  const description = `${resource.kind} ${ref.namespace === undefined ? '' : `${ref.namespace}/`}${ref.name}`
  return waitForObjects(
    source,
    resource,
    query,
    objects => (condition(objects[0]) ? { object: objects[0] } : undefined),
    {
      description,
      ...options,
      explain: ([object]) => (object === undefined ? 'it does not exist' : `it is now ${brief(object)}`)
    }
  ).then(({ object }) => object)
}

function brief(object: KubernetesObject): string {
  const { metadata, status } = object as KubernetesObject & { status?: unknown }
  return JSON.stringify({ labels: metadata?.labels, annotations: metadata?.annotations, status }).slice(0, 1500)
}
