import type { Cluster } from '@culvert/lab'
import type { V1Pod } from '@culvert/kubernetes'
import { pods } from '@culvert/kubernetes'
import type { Display } from './display.ts'
import { DemoError } from './errors.ts'
import { bookstore } from './mesh.ts'

/** What the steps act on. */
export interface World {
  readonly cluster: Cluster
  readonly display: Display
  /** The user's interruption. */
  readonly signal: AbortSignal
}

/** One part of the demonstration; the lines it returns stand in the summary. */
export interface Step {
  readonly title: string
  run: (world: World) => Promise<readonly string[]>
}

export const namespace = 'bookstore'

export interface Answer {
  readonly ok: boolean
  /** The answer's JSON, or the error. */
  readonly text: string
}

/** One request from inside a pod. */
export async function askFrom(
  { cluster }: World,
  from: { namespace: string; name: string },
  url: string
): Promise<Answer> {
  const { code, stdout, stderr } = await cluster.pods.exec(from, [bookstore, 'ask', url])
  return { ok: code === 0, text: (code === 0 ? stdout : stderr).trim() }
}

/** The running pod of the bookstore with this label `app`. */
export async function podOf(
  { cluster }: World,
  app: string
): Promise<{ namespace: string; name: string; ip: string; node: string }> {
  const { items } = await cluster.client.list(pods, { namespace, labelSelector: `app=${app}` })
  const pod = items.find(one => one.status?.podIP !== undefined && one.metadata?.deletionTimestamp === undefined)
  if (pod === undefined) throw new DemoError(`no running pod with label app=${app} in namespace ${namespace}`)
  return { namespace, name: pod.metadata!.name!, ip: pod.status!.podIP!, node: pod.spec!.nodeName! }
}

export async function bookstorePods({ cluster }: World): Promise<V1Pod[]> {
  return (await cluster.client.list(pods, { namespace })).items
}

/** Asks again until the condition holds; events cannot be watched from outside, so this looks, with a generous bound. */
export async function eventually<T>(
  { display, signal }: World,
  what: string,
  look: () => Promise<T | undefined>,
  timeoutMs = 20_000
): Promise<T> {
  const until = Date.now() + timeoutMs
  let pause = 20
  for (;;) {
    signal.throwIfAborted()
    const found = await look()
    if (found !== undefined) return found
    if (Date.now() > until) throw new DemoError(`${what}: not within ${timeoutMs / 1000} s (${display.current()})`)
    await new Promise(resolve => setTimeout(resolve, pause))
    pause = Math.min(pause * 1.5, 250)
  }
}
