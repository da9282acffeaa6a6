import { type Cluster, createCluster } from '@culvert/lab'
import type { Display } from './display.ts'
import { DemoError } from './errors.ts'
import { keepRunning } from './keep-running.ts'
import { customResources, images, installMesh, meshReady, sample } from './mesh.ts'
import { programLogs } from './program-logs.ts'
import type { Settings } from './settings.ts'
import { accessLog } from './steps/access-log.ts'
import { authorization } from './steps/authorization.ts'
import { enrolment } from './steps/enrolment.ts'
import { leaving } from './steps/leaving.ts'
import { newPod } from './steps/new-pod.ts'
import { plainTraffic } from './steps/plain-traffic.ts'
import { strict } from './steps/strict.ts'
import { namespace, type Step, type World } from './world.ts'

const steps: readonly Step[] = [plainTraffic, enrolment, accessLog, authorization, strict, newPod, leaving]

/** The whole demonstration: the exit status. Whatever happens, the cluster is gone afterwards (`--keep`: at Ctrl-C). */
export async function runDemo(
  { keep }: Settings,
  display: Display,
  signal: AbortSignal,
  programs: typeof images = images
): Promise<number> {
  const started = Date.now()
  let cluster: Cluster | undefined
  try {
    display.heading('A cluster of two nodes, a bookstore, and the mesh')
    cluster = await createCluster({
      nodes: 2,
      images: programs,
      crds: customResources(),
      signal,
      onProgress: ({ message }) => display.status(message)
    })
    const world: World = { cluster, display, signal }
    await untilAborted(signal, prepare(world))
    const summary: string[] = []
    for (const step of keep ? steps.slice(0, -1) : steps) {
      display.heading(step.title)
      const lines = await untilAborted(signal, step.run(world))
      for (const line of lines) display.done(line)
      summary.push(`✓ ${step.title}`)
    }
    display.line(`\nIt holds:\n${summary.map(line => `  ${line}`).join('\n')}`)
    if (keep) await keepRunning(cluster, display, signal)
    return 0
  } catch (error) {
    if (signal.aborted) {
      display.line(`\n${(signal.reason as Error).message}; cleaning up`)
      return 130
    }
    display.line(`\nFAILED: ${(error as Error).message}`)
    if (error instanceof DemoError) for (const line of error.evidence) display.line(`  ${line}`)
    else display.line((error as Error).stack ?? '')
    if (cluster !== undefined) for (const line of await programLogs(cluster)) display.line(line)
    return 1
  } finally {
    display.status('removing the cluster')
    await cluster?.close()
    display.status('')
    display.line(`\nEverything of the cluster is removed. ${((Date.now() - started) / 1000).toFixed(1)} s in all.`)
  }
}

async function prepare({ cluster, display }: World): Promise<void> {
  await installMesh(cluster)
  await cluster.apply(sample('bookstore'))
  await cluster.apply(sample('outsider'))
  display.status('waiting for the bookstore and the mesh')
  await Promise.all([
    cluster.pods.ready({ namespace, count: 9 }),
    cluster.pods.ready({ namespace: 'outside', name: 'outsider' }),
    meshReady(cluster)
  ])
  display.done(
    `two nodes, the bookstore's 9 pods and one outside, istiod, two node agents, two node proxies: ${display.elapsed()}`
  )
}

/** Rejects with the reason as soon as the user interrupts; the work itself ends with the cluster. */
function untilAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
