import type { V1Pod } from '@culvert/kubernetes'
import { createBackOff, pause } from './back-off.ts'
import { fieldPath } from './container-record.ts'
import { type ContainerRunOptions, runOnce } from './container-run.ts'
import type { Image } from './image-catalogue.ts'
import { willRestart } from './pod-status.ts'

/** How long a container must have run for its failures to be forgotten. */
const forgiveAfterMs = 10 * 60 * 1000

/** Runs a container, again and again as its pod's restart policy says. Resolves when it will not run any more. */
export async function runContainer(options: ContainerRunOptions): Promise<void> {
  const { record, signal, onChange, context } = options
  const backOff = createBackOff(context.backOff.first, context.backOff.last)
  let restarts = 0
  while (!signal.aborted) {
    const image = await findImage(options)
    if (image === undefined) return
    const startedAt = new Date()
    const exit = await runOnce(options, image, startedAt)
    if (exit === undefined) continue // could not be configured: waits inside, then tries again
    record.ready = false
    record.started = false
    onChange()
    if (!willRestart(options.pod(), record) || signal.aborted) return
    if (Date.now() - startedAt.getTime() > forgiveAfterMs) {
      backOff.reset()
      restarts = 0
    }
    // The first restart comes at once.
    if (restarts > 0) {
      const delay = backOff.next()
      if (record.state.phase === 'terminated') record.lastTermination = record.state
      const message = `back-off ${delay / 1000}s restarting failed container=${record.spec.name} pod=${podName(options.pod())}`
      record.state = { phase: 'waiting', reason: 'CrashLoopBackOff', message }
      context.events.record(
        options.pod(),
        'Warning',
        'BackOff',
        `Back-off restarting failed container ${record.spec.name}`,
        fieldPath(record)
      )
      onChange()
      await pause(delay, signal)
      if (signal.aborted) {
        // What the pod is left with is how the container ended, not that it was waiting.
        if (record.lastTermination !== undefined) record.state = record.lastTermination
        return
      }
    }
    restarts += 1
    record.restartCount += 1
  }
}

const podName = (pod: V1Pod): string => `${pod.metadata!.name}_${pod.metadata!.namespace}(${pod.metadata!.uid})`

/** Waits for the image to be known; undefined when the pod goes first. */
async function findImage({ context, record, pod, onChange, signal }: ContainerRunOptions): Promise<Image | undefined> {
  const backOff = createBackOff(context.backOff.first, context.backOff.last)
  const name = record.spec.image ?? ''
  while (!signal.aborted) {
    const image = context.images.find(name)
    if (image !== undefined) return image
    const message = `image "${name}" is not in the lab's catalogue`
    record.state = { phase: 'waiting', reason: 'ErrImagePull', message }
    context.events.record(pod(), 'Warning', 'Failed', `Failed to pull image "${name}": ${message}`, fieldPath(record))
    onChange()
    const delay = backOff.next()
    await pause(Math.min(1000, delay), signal)
    if (signal.aborted) return undefined
    record.state = { phase: 'waiting', reason: 'ImagePullBackOff', message: `Back-off pulling image "${name}"` }
    onChange()
    await Promise.race([pause(delay, signal), context.images.changed()])
  }
  return undefined
}
