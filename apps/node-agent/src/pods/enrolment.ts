import { parsePodOverrides, type TrafficCapture } from '@culvert/iptables'
import type { V1Pod } from '@culvert/kubernetes'
import { duplicateNetns, type Netns } from '@culvert/netns'
import type { ZdsServer } from '@culvert/zds'
import { NodeAgentError, reasonOf } from '../errors.ts'
import { createKeyedLock } from './keyed-lock.ts'
import type { PodCache } from './pod-cache.ts'
import { podIps, podName, podUid, workloadInfo } from './pod-facts.ts'
import type { Annotate } from './redirection-annotation.ts'

export interface EnrolmentLog {
  debug(message: string): void
  info(message: string): void
  warn(message: string): void
}

export interface EnrolmentOptions {
  readonly cache: PodCache
  readonly capture: Pick<TrafficCapture, 'createPodRules' | 'deletePodRules' | 'probeAddresses'>
  readonly zds: Pick<ZdsServer, 'add' | 'delete'>
  readonly annotate: Annotate
  /** The namespace at a path of the host, as the runtime names it. */
  readonly openPath: (path: string) => Netns
  /** The namespace of a pod whose path is not known. */
  readonly find: (pod: V1Pod) => Netns | undefined
  readonly log: EnrolmentLog
}

export interface AddOptions {
  /** From the runtime; absent or empty: known or searched. */
  readonly netnsPath?: string
  readonly signal?: AbortSignal
}

/** Pods into and out of the mesh (docs/spec/cni.md 4.6, 4.7). One pod is worked on by one caller at a time. */
export interface Enrolment {
  /** @throws NodeAgentError, `retryable` or final. Repeatable. */
  add(pod: V1Pod, ips: readonly string[], options?: AddOptions): Promise<void>
  /** `deleted`: the pod is gone or finished, and its rules with its namespace. */
  remove(pod: V1Pod, options: { deleted: boolean }): Promise<void>
  /** The pod's rules as they should be, in a namespace that is known. */
  createRules(pod: V1Pod): Promise<void>
  addAddresses(pod: V1Pod, ips: readonly string[]): Promise<void>
}

export function createEnrolment(options: EnrolmentOptions): Enrolment {
  const { cache, capture, zds, annotate, log } = options
  const lock = createKeyedLock()

  async function add(pod: V1Pod, ips: readonly string[], { netnsPath, signal }: AddOptions): Promise<void> {
    const started = performance.now()
    const uid = podUid(pod)
    cache.reserve(uid, workloadInfo(pod))
    try {
      cache.upsert(uid, workloadInfo(pod), obtainNetns(pod, netnsPath))
      await createRules(pod)
    } catch (error) {
      cache.take(uid)?.netns?.close()
      throw error
    }
    await tellZtunnel(pod, signal)
    await addAddresses(pod, ips)
    await annotate(pod, 'enabled')
    log.info(`pod ${podName(pod)} joined the mesh in ${(performance.now() - started).toFixed(0)} ms`)
  }

  function obtainNetns(pod: V1Pod, path: string | undefined): Netns {
    const unusable = (why: string, cause?: unknown): NodeAgentError =>
      new NodeAgentError('AGENT_NO_NETNS', `no network namespace for pod ${podName(pod)}: ${why}`, { cause })
    let netns: Netns | undefined
    try {
      netns = path ? options.openPath(path) : (cache.netns(podUid(pod)) ?? options.find(pod))
    } catch (error) {
      throw unusable(reasonOf(error), error)
    }
    if (netns === undefined) throw unusable('no process of it was found')
    return netns
  }

  async function createRules(pod: V1Pod): Promise<void> {
    const netns = cache.netns(podUid(pod))
    if (netns === undefined) {
      throw new NodeAgentError('AGENT_NO_NETNS', `no network namespace is known for pod ${podName(pod)}`)
    }
    const overrides = parsePodOverrides(pod.metadata?.annotations, text => log.warn(`pod ${podName(pod)}: ${text}`))
    // Commands run in it for a while; the cache may let go of its handle meanwhile.
    using own = duplicateNetns(netns)
    try {
      await capture.createPodRules(own, overrides, `pod ${podName(pod)}`)
    } catch (error) {
      throw new NodeAgentError('AGENT_POD_RULES', `cannot redirect pod ${podName(pod)}: ${reasonOf(error)}`, {
        cause: error
      })
    }
  }

  // Fail closed: the rules stay, so until some ztunnel takes the pod nothing goes in or out in plain text.
  async function tellZtunnel(pod: V1Pod, signal: AbortSignal | undefined): Promise<void> {
    const netns = cache.netns(podUid(pod))
    if (netns === undefined) throw new NodeAgentError('AGENT_ZTUNNEL', `pod ${podName(pod)} was removed meanwhile`)
    try {
      await zds.add(podUid(pod), workloadInfo(pod), netns, { ...(signal && { signal }) })
    } catch (error) {
      await annotate(pod, 'pending')
      // The text reaches the runtime as the plugin's error: it is ztunnel's or the connection's own.
      throw new NodeAgentError('AGENT_ZTUNNEL', reasonOf(error), { cause: error })
    }
  }

  async function addAddresses(pod: V1Pod, ips: readonly string[]): Promise<void> {
    await forAddresses(
      ips,
      ip => capture.probeAddresses.add(ip, podUid(pod)),
      ip => `cannot add ${ip} of pod ${podName(pod)} to the probe addresses`
    )
  }

  async function remove(pod: V1Pod, deleted: boolean): Promise<void> {
    const uid = podUid(pod)
    await removeAddresses(pod)
    const entry = cache.take(uid)
    try {
      if (!deleted) await deleteRules(pod, entry?.netns)
    } finally {
      entry?.netns?.close()
    }
    try {
      await zds.delete(uid)
    } catch (error) {
      throw new NodeAgentError(
        'AGENT_ZTUNNEL',
        `cannot tell ztunnel to let go of pod ${podName(pod)}: ${reasonOf(error)}`,
        {
          cause: error
        }
      )
    }
    try {
      await annotate(pod, undefined)
    } catch (error) {
      if (!deleted) throw error
      log.warn(reasonOf(error))
    }
    log.info(`pod ${podName(pod)} left the mesh${deleted ? ': it has ended' : ''}`)
  }

  async function removeAddresses(pod: V1Pod): Promise<void> {
    await forAddresses(
      podIps(pod),
      async ip => {
        const outcome = await capture.probeAddresses.remove(ip, podUid(pod))
        if (outcome === 'foreign') log.warn(`probe address ${ip} of pod ${podName(pod)} belongs to another pod by now`)
      },
      ip => `cannot remove ${ip} of pod ${podName(pod)} from the probe addresses`
    )
  }

  async function deleteRules(pod: V1Pod, netns: Netns | undefined): Promise<void> {
    if (netns === undefined) {
      log.warn(`the network namespace of pod ${podName(pod)} is not known: its rules, if any, stay`)
      return
    }
    try {
      await capture.deletePodRules(netns, `pod ${podName(pod)}`)
    } catch (error) {
      throw new NodeAgentError(
        'AGENT_POD_RULES_LEFT',
        `cannot remove the rules of pod ${podName(pod)}: ${reasonOf(error)}`,
        { cause: error }
      )
    }
  }

  return {
    add: (pod, ips, given = {}) => lock.run(podUid(pod), () => add(pod, ips, given)),
    remove: (pod, { deleted }) => lock.run(podUid(pod), () => remove(pod, deleted)),
    createRules: pod => lock.run(podUid(pod), () => createRules(pod)),
    addAddresses
  }
}

/** All are tried, then the first failure is thrown: an IPv6 address without a set must not cost the IPv4 one its probes. */
async function forAddresses(
  ips: readonly string[],
  act: (ip: string) => Promise<void>,
  failed: (ip: string) => string
): Promise<void> {
  const failures: NodeAgentError[] = []
  for (const ip of ips) {
    try {
      await act(ip)
    } catch (cause) {
      failures.push(new NodeAgentError('AGENT_PROBE_SET', `${failed(ip)}: ${reasonOf(cause)}`, { cause }))
    }
  }
  if (failures[0] !== undefined) throw failures[0]
}
