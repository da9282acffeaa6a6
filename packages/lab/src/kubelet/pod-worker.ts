import { pods, type V1Pod } from '@culvert/kubernetes'
import { LabError, reasonOf } from '../errors.ts'
import { preparePodVolumes, type PodVolumes } from '../volumes/pod-volumes.ts'
import { createTokenSource } from '../volumes/token-source.ts'
import { createBackOff, pause } from './back-off.ts'
import { type ContainerRecord, newRecord } from './container-record.ts'
import { runContainer, stopContainer } from './container-runner.ts'
import type { KubeletContext } from './kubelet-context.ts'
import { podStatus } from './pod-status.ts'
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
  /** Resolves when nothing of the pod is left on the node. */
  readonly finished: Promise<void>
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
  const podCgroup = context.cgroups.podGroup(initial.metadata!.uid!)
  // Containers of `spec`, which may mount one volume more than the manifest says.
  const records = [
    ...(spec.spec!.initContainers ?? []).map(container => newRecord(container, true)),
    ...spec.spec!.containers.map(container => newRecord(container, false))
  ]
  let addresses: readonly string[] = []
  let announcedReady = false
  const label = `${initial.metadata!.namespace}/${initial.metadata!.name}`

  const report = (): void => {
    const state = { records, addresses, hostIp: context.node.ip, startTime, sandboxReady: sandbox !== undefined }
    const status = podStatus(pod, state, pod.status, new Date())
    writer.set(status)
    const ready = status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
    if (ready && !announcedReady) {
      context.report({ step: 'pod-ready', message: `${label} is ready`, node: context.node.name, pod: label })
    }
    announcedReady = ready
  }

  /** Tries until it works or the pod goes; each failure is an Event and waits longer for the next try. */
  const persist = async <T>(reason: string, first: number, attempt: () => Promise<T>): Promise<T | undefined> => {
    const backOff = createBackOff(first, 5000)
    const { namespace = '' } = initial.metadata!
    while (!stopping.signal.aborted) {
      try {
        return await attempt()
      } catch (error) {
        context.events.record(pod, 'Warning', reason, reasonOf(error))
        context.report({
          step: 'warning',
          message: `${label}: ${reason}: ${reasonOf(error)}`,
          node: context.node.name,
          pod: label
        })
        // What is missing may be an object that somebody creates just now.
        const waiting = new AbortController()
        const given = AbortSignal.any([stopping.signal, waiting.signal])
        await Promise.race([pause(backOff.next(), given), context.sources.changeIn(namespace, given)])
        waiting.abort()
      }
    }
    return undefined
  }

  const prepare = async (): Promise<boolean> => {
    const tokens = createTokenSource(context.client, initial)
    const facts = { nodeName: context.node.name, hostIp: context.node.ip, podIps: addresses }
    const input = { pod: spec, facts, sources: context.sources, token: tokens.token }
    volumes = await persist('FailedMount', 100, () => preparePodVolumes(context.node, input))
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
    sandbox = await persist('FailedCreatePodSandBox', 500, () =>
      createSandbox({ node: context.node, chain: context.chain, pod })
    )
    if (sandbox === undefined) return false
    addresses = sandbox.addresses
    context.report({
      step: 'sandbox',
      message: `${label} has ${addresses.join(', ')}`,
      node: context.node.name,
      pod: label
    })
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
    context.report({ step: 'pod-removed', message: `${label} is removed`, node: context.node.name, pod: label })
    const { namespace, name, uid } = pod.metadata!
    await persistDelete(() => context.client.delete(pods, { namespace, name: name! }, { uid, gracePeriodSeconds: 0 }))
  }

  const persistDelete = async (attempt: () => Promise<unknown>): Promise<void> => {
    const backOff = createBackOff(100, 5000)
    while (!context.signal.aborted) {
      try {
        await attempt()
        return
      } catch (error) {
        if (isConflict(error)) return // another pod has the name by now
        context.onError(error)
        await pause(backOff.next(), context.signal)
      }
    }
  }

  const finished = run().catch(error => {
    context.onError(error)
  })

  return {
    get pod() {
      return pod
    },
    get sandbox() {
      return sandbox
    },
    finished,
    update: now => {
      pod = now
      volumesChanged.resolve()
      volumesChanged = Promise.withResolvers()
      report()
    },
    terminate: graceMs => {
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

function isConflict(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'status' in error && error.status === 409
}
