import path from 'node:path'
import type { V1Pod } from '@culvert/kubernetes'
import { createContainerLog } from '../containers/container-log.ts'
import {
  type ContainerExit,
  type ContainerProcess,
  removeContainer,
  startContainer
} from '../containers/container-process.ts'
import { processRights } from '../containers/process-rights.ts'
import { reasonOf } from '../errors.ts'
import { allNamespaces, enter } from '../machine/enter.ts'
import { runCommand } from '../machine/run-command.ts'
import { probeContainer } from '../probes/prober.ts'
import type { PodVolumes, VolumeMount } from '../volumes/pod-volumes.ts'
import { createBackOff, pause } from './back-off.ts'
import type { ContainerRecord } from './container-record.ts'
import { containerCommand, containerEnvironment } from './environment.ts'
import type { Image } from './image-catalogue.ts'
import type { KubeletContext } from './kubelet-context.ts'
import { podFiles, podHostname } from './pod-files.ts'
import { willRestart } from './pod-status.ts'
import { newContainerId, type Sandbox } from './sandbox.ts'
import { imageMounts } from './image-mounts.ts'

export interface RunnerOptions {
  readonly context: KubeletContext
  readonly record: ContainerRecord
  readonly sandbox: Sandbox
  readonly volumes: PodVolumes
  /** Cgroup of the pod, below the machine's hierarchy. */
  readonly podCgroup: string
  /** The pod as it is now. */
  readonly pod: () => V1Pod
  readonly onChange: () => void
  /** No (further) run begins once it aborts; the running one is ended by `stopContainer`. */
  readonly signal: AbortSignal
}

/** How long a container must have run for its failures to be forgotten. */
const forgiveAfterMs = 10 * 60 * 1000

/** Runs a container, again and again as its pod's restart policy says. Resolves when it will not run any more. */
export async function runContainer(options: RunnerOptions): Promise<void> {
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

/** Ends the current run: SIGTERM, and SIGKILL after the grace period. Resolves when it is gone. */
export async function stopContainer(record: ContainerRecord, graceMs: number): Promise<void> {
  if (record.state.phase !== 'running') return
  const { process } = record.state
  if (graceMs > 0) process.kill('SIGTERM')
  else process.kill('SIGKILL')
  const timer = setTimeout(() => process.kill('SIGKILL'), graceMs)
  await process.exited
  clearTimeout(timer)
}

const podName = (pod: V1Pod): string => `${pod.metadata!.name}_${pod.metadata!.namespace}(${pod.metadata!.uid})`
const fieldPath = (record: ContainerRecord): string =>
  `spec.${record.init ? 'initContainers' : 'containers'}{${record.spec.name}}`

/** Waits for the image to be known; undefined when the pod goes first. */
async function findImage({ context, record, pod, onChange, signal }: RunnerOptions): Promise<Image | undefined> {
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

/** One run, from configuration to exit; undefined if the configuration was wrong and should be tried again. */
async function runOnce(options: RunnerOptions, image: Image, startedAt: Date): Promise<ContainerExit | undefined> {
  const { context, record, sandbox, signal, onChange, pod } = options
  const containerId = newContainerId()
  let configured: { environment: Map<string, string>; mounts: VolumeMount[] }
  try {
    configured = configure(options, image)
  } catch (error) {
    record.state = { phase: 'waiting', reason: 'CreateContainerConfigError', message: reasonOf(error) }
    context.events.record(pod(), 'Warning', 'Failed', `Error: ${reasonOf(error)}`, fieldPath(record))
    onChange()
    await pause(1000, signal)
    return undefined
  }
  const { environment, mounts } = configured
  const hostname = podHostname(pod(), context.node.name)
  record.environment = environment
  record.containerId = containerId
  record.previousLog = record.log
  const log = createContainerLog(logFile(options, record))
  record.log = log
  let process: ContainerProcess
  try {
    process = await startContainer({
      node: context.node,
      containerId,
      hostname,
      netnsFile: sandbox.netnsFile,
      cgroup: context.cgroups.makeContainerGroup(options.podCgroup, containerId),
      machineMounts: context.node.machineMounts,
      volumes: mounts,
      readOnlyRoot: record.spec.securityContext?.readOnlyRootFilesystem ?? false,
      workingDirectory: record.spec.workingDir || image.workingDirectory || '/',
      command: containerCommand(record.spec, image, environment),
      rights: processRights(pod(), record.spec),
      environment,
      files: podFiles(pod(), context.plan, sandbox.addresses, hostname)
    })
  } catch (error) {
    log.end()
    finish(options, containerId)
    const message = reasonOf(error)
    record.state = terminated(containerId, startedAt, { code: 128, signal: undefined }, 'StartError', message)
    context.events.record(pod(), 'Warning', 'Failed', `Error: ${message}`, fieldPath(record))
    onChange()
    return { code: 128, signal: undefined }
  }
  log.follow(process.stdout, 'stdout')
  log.follow(process.stderr, 'stderr')
  record.state = { phase: 'running', startedAt: new Date(), process }
  context.events.record(pod(), 'Normal', 'Started', `Started container ${record.spec.name}`, fieldPath(record))
  onChange()
  const probing = new AbortController()
  if (record.init) record.started = true
  else probe(options, process, probing.signal)
  // A pod that was deleted while the container was being set up: nobody else knows this process yet.
  if (signal.aborted) void stopContainer(record, 0)
  const exit = await process.exited
  probing.abort()
  log.end()
  finish(options, containerId)
  record.state = terminated(containerId, startedAt, exit, exit.code === 0 ? 'Completed' : 'Error')
  record.lastTermination = record.state
  return exit
}

function configure(options: RunnerOptions, image: Image): { environment: Map<string, string>; mounts: VolumeMount[] } {
  const { context, record, sandbox, pod } = options
  const environment = containerEnvironment({
    pod: pod(),
    container: record.spec,
    image,
    facts: { nodeName: context.node.name, hostIp: context.node.ip, podIps: sandbox.addresses },
    sources: context.sources,
    hostname: podHostname(pod(), context.node.name),
    kubernetesService: { ip: context.plan.kubernetesIp, port: 443 }
  })
  return { environment, mounts: [...imageMounts(image), ...options.volumes.mounts(record.spec)] }
}

function finish({ context, podCgroup }: RunnerOptions, containerId: string): void {
  context.cgroups.removeContainerGroup(podCgroup, containerId)
  removeContainer(context.node, containerId)
}

function terminated(
  containerId: string,
  startedAt: Date,
  exit: ContainerExit,
  reason: string,
  message?: string
): Extract<ContainerRecord['state'], { phase: 'terminated' }> {
  return {
    phase: 'terminated',
    reason,
    ...(message === undefined ? {} : { message }),
    exitCode: exit.code,
    startedAt,
    finishedAt: new Date(),
    containerId
  }
}

function logFile({ context, pod }: RunnerOptions, record: ContainerRecord): string {
  const { namespace, name, uid } = pod().metadata!
  return path.join(context.logDirectory, `${namespace}_${name}_${uid}`, record.spec.name, `${record.restartCount}.log`)
}

function probe(options: RunnerOptions, process: ContainerProcess, signal: AbortSignal): void {
  const { context, record, sandbox, onChange, pod } = options
  const target = {
    container: record.spec,
    ip: sandbox.addresses[0]!,
    nodeNetns: context.node.netns,
    exec: async (command: readonly string[], timeout: number) => {
      const { code, stdout, stderr } = await runCommand(enter(process.pid, allNamespaces, command), {
        env: Object.fromEntries(record.environment),
        timeout
      })
      return { code, output: stdout + stderr }
    }
  }
  const set = (change: Partial<Pick<ContainerRecord, 'ready' | 'started'>>): void => {
    if (signal.aborted) return
    Object.assign(record, change)
    onChange()
  }
  const handler = {
    started: () => set({ started: true }),
    ready: (ready: boolean) => set({ ready }),
    failed: (kind: string, message: string) => {
      context.events.record(pod(), 'Warning', 'Unhealthy', `${kind} probe failed: ${message}`, fieldPath(record))
    },
    unhealthy: (kind: string) => {
      const message = `Container ${record.spec.name} failed ${kind.toLowerCase()} probe, will be restarted`
      context.events.record(pod(), 'Normal', 'Killing', message, fieldPath(record))
      void stopContainer(record, (pod().spec?.terminationGracePeriodSeconds ?? 30) * 1000)
    }
  }
  probeContainer(record.spec, target, handler, signal).catch(context.onError)
}
