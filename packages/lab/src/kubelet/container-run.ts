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
import type { PodVolumes, VolumeMount } from '../volumes/pod-volumes.ts'
import { pause } from './back-off.ts'
import { startProbes } from './container-probes.ts'
import { type ContainerRecord, fieldPath } from './container-record.ts'
import { stopContainer } from './stop-container.ts'
import { containerCommand, containerEnvironment } from './environment.ts'
import type { Image } from './image-catalogue.ts'
import { imageMounts } from './image-mounts.ts'
import type { KubeletContext } from './kubelet-context.ts'
import { podFiles, podHostname } from './pod-files.ts'
import { newContainerId, type Sandbox } from './sandbox.ts'

export interface ContainerRunOptions {
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

/** One run, from configuration to exit; undefined if the configuration was wrong and should be tried again. */
export async function runOnce(
  options: ContainerRunOptions,
  image: Image,
  startedAt: Date
): Promise<ContainerExit | undefined> {
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
  else startProbes(options, process, probing.signal)
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

function configure(
  options: ContainerRunOptions,
  image: Image
): { environment: Map<string, string>; mounts: VolumeMount[] } {
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
  // As container runtimes do: what is mounted further down must not be hidden by what is mounted above it.
  const mounts = [...imageMounts(image), ...options.volumes.mounts(record.spec)].sort(
    (a, b) => depth(a.target) - depth(b.target)
  )
  return { environment, mounts }
}

function finish({ context, podCgroup }: ContainerRunOptions, containerId: string): void {
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

function logFile({ context, pod }: ContainerRunOptions, record: ContainerRecord): string {
  const { namespace, name, uid } = pod().metadata!
  return path.join(context.logDirectory, `${namespace}_${name}_${uid}`, record.spec.name, `${record.restartCount}.log`)
}

const depth = (target: string): number => target.split('/').filter(part => part !== '').length
