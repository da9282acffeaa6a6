import { KubernetesError, pods, type V1Pod } from '@culvert/kubernetes'
import { LabError, reasonOf } from '../errors.ts'
import { preparePodVolumes, type PodVolumes } from '../volumes/pod-volumes.ts'
import { createTokenSource } from '../volumes/token-source.ts'
import type { ProgressStep } from '../cluster/progress.ts'
import { persist } from './persist.ts'
import { type ContainerRecord, newRecord } from './container-record.ts'
import { runContainer } from './container-runner.ts'
import { stopContainer } from './stop-container.ts'
import type { KubeletContext } from './kubelet-context.ts'
import { createPodStatus } from './pod-status.ts'
import { createSandbox, type Sandbox } from './sandbox.ts'
import { withDefaultToken } from './default-token.ts'
import { createStatusWriter } from './status-writer.ts'
import { keepVolumesFresh } from './volume-refresher.ts'

/** Everything one pod needs on its node, from the first mount to the last file removed. */
export interface PodWorker {
  /** A newer state of the same pod. */
  update(pod: V1Pod): void
  /** Ends the pod, its containers within the grace period; a second call can only shorten it. */
  terminate(graceMs: number): void
  readonly pod: V1Pod
  readonly sandbox: Sandbox | undefined
  /** Without a name: the first container. */
  record(container?: string): ContainerRecord | undefined
}

export function startPodWorker(context: KubeletContext, initial: V1Pod): PodWorker {
  const terminating = new AbortController()
  const stopping = { signal: AbortSignal.any([terminating.signal, context.signal]) }
  // Status is still written while the pod ends, but no more once the kubelet itself goes.
  const writer = createStatusWriter(context.client, initial, { signal: context.signal, onError: context.onError })
  let pod = initial
  const spec = withDefaultToken(initial)
  let sandbox: Sandbox | undefined
  let volumes: PodVolumes | undefined
  let volumesChanged = Promise.withResolvers<void>()
  const startTime = new Date()
  const podStatus = createPodStatus()
  const podCgroup = context.cgroups.podGroup(initial.metadata!.uid!)
  // Containers of `spec`, which may mount one volume more than the manifest says.
  const records = [
    ...(spec.spec!.initContainers ?? []).map(container => newRecord(container, true)),
    ...spec.spec!.containers.map(container => newRecord(container, false))
  ]
  let addresses: readonly string[] = []
  let announcedReady = false
  /** When the containers are to be gone. */
  let deadline = Number.POSITIVE_INFINITY
  const label = `${initial.metadata!.namespace}/${initial.metadata!.name}`

  const say = (step: ProgressStep, what: string): void =>
    context.report({ step, message: `${label} ${what}`, node: context.node.name, pod: label })

  const report = (): void => {
    const state = { records, addresses, hostIp: context.node.ip, startTime, sandboxReady: sandbox !== undefined }
    const status = podStatus(pod, state, new Date())
    writer.set(status)
    const ready = status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
    if (ready && !announcedReady) say('pod-ready', 'is ready')
    announcedReady = ready
  }

  /** Tries until it works or the pod goes; each failure is an Event. */
  const insist = <T>(reason: string, first: number, attempt: () => Promise<T>): Promise<T | undefined> =>
    persist(attempt, {
      first,
      signal: stopping.signal,
      // What is missing may be an object that somebody creates just now.
      wake: signal => context.sources.changeIn(initial.metadata!.namespace!, signal),
      onFailure: error => {
        const message = reasonOf(error)
        context.events.record(pod, 'Warning', reason, message)
        say('warning', `${reason}: ${message}`)
      }
    })

  const prepare = async (): Promise<boolean> => {
    const tokens = createTokenSource(context.client, initial)
    const facts = { nodeName: context.node.name, hostIp: context.node.ip, podIps: addresses }
    const input = { pod: spec, facts, sources: context.sources, token: tokens.token }
    volumes = await insist('FailedMount', 100, () => preparePodVolumes(context.node, input))
    if (volumes === undefined) return false
    keepVolumesFresh({
      volumes,
      tokens,
      sources: context.sources,
      pod: () => pod,
      podChanged: () => volumesChanged.promise,
      signal: stopping.signal,
      onError: context.onError
    }).catch(context.onError)
    sandbox = await insist('FailedCreatePodSandBox', 500, () =>
      createSandbox({ node: context.node, chain: context.chain, pod })
    )
    if (sandbox === undefined) return false
    addresses = sandbox.addresses
    say('sandbox', `has ${addresses.join(', ')}`)
    report()
    return true
  }

  const runContainers = async (): Promise<void> => {
    const run = (record: ContainerRecord): Promise<void> =>
      runContainer({
        context,
        record,
        sandbox: sandbox!,
        volumes: volumes!,
        podCgroup,
        pod: () => pod,
        onChange: report,
        signal: stopping.signal
      })
    for (const record of records.filter(({ init }) => init)) {
      await run(record)
      if (record.state.phase !== 'terminated' || record.state.exitCode !== 0) return
    }
    await Promise.all(records.filter(({ init }) => !init).map(run))
  }

  const tearDown = async (): Promise<void> => {
    const standing = sandbox
    sandbox = undefined
    if (context.signal.aborted) {
      // The node goes as a whole, and with it everything below.
      standing?.netns.close()
      return
    }
    if (standing !== undefined) {
      await standing.close().catch((error: unknown) => {
        context.events.record(pod, 'Warning', 'FailedKillPod', `error killing pod: ${reasonOf(error)}`)
        context.onError(new LabError('LAB_SANDBOX', `${label}: ${reasonOf(error)}`, { cause: error }))
      })
    }
    volumes?.close()
    await context.cgroups.removePodGroup(podCgroup)
  }

  const run = async (): Promise<void> => {
    report()
    if (await prepare()) await runContainers()
    await tearDown()
    report()
    // A finished pod stays, with its status and logs, until somebody deletes it.
    if (!stopping.signal.aborted) await new Promise(resolve => stopping.signal.addEventListener('abort', resolve))
    await writer.settled()
    if (context.signal.aborted) return
    say('pod-removed', 'is removed')
    await persist(() => deletePod(context, pod), { first: 100, signal: context.signal, onFailure: context.onError })
  }

  run().catch(context.onError)

  return {
    get pod() {
      return pod
    },
    get sandbox() {
      return sandbox
    },
    update: now => {
      pod = now
      volumesChanged.resolve()
      volumesChanged = Promise.withResolvers()
      report()
    },
    terminate: graceMs => {
      // Every change of a pod that is going calls this again, and a second SIGTERM may mean something else to a program.
      if (performance.now() + graceMs >= deadline) return
      deadline = performance.now() + graceMs
      terminating.abort()
      const running = records.filter(({ state }) => state.phase === 'running')
      if (running.length === 0) return
      for (const record of running) void stopContainer(record, graceMs)
      context.events.record(pod, 'Normal', 'Killing', `Stopping pod ${label}`)
    },
    record: name =>
      name === undefined ? records.find(({ init }) => !init) : records.find(record => record.spec.name === name)
  }
}

/** The last step of a deletion: with the uid, so that a successor of the same name stays. */
async function deletePod({ client }: KubeletContext, pod: V1Pod): Promise<void> {
  const { namespace, name, uid } = pod.metadata!
  try {
    await client.delete(pods, { namespace, name: name! }, { uid, gracePeriodSeconds: 0 })
  } catch (error) {
    if (!(error instanceof KubernetesError && error.status === 409)) throw error
  }
}
