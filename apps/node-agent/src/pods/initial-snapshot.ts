import type { TrafficCapture } from '@culvert/iptables'
import type { V1Pod } from '@culvert/kubernetes'
import type { Netns } from '@culvert/netns'
import { reasonOf } from '../errors.ts'
import type { WantedPod } from '../find-netns/scan-proc.ts'
import type { Enrolment, EnrolmentLog } from './enrolment.ts'
import type { PodCache } from './pod-cache.ts'
import { isTerminal, isZtunnelPod, podIps, podName, podUid, redirectionOf, workloadInfo } from './pod-facts.ts'

export interface InitialSnapshotOptions {
  /** All pods of this node. */
  readonly pods: readonly V1Pod[]
  readonly systemNamespace: string
  readonly cache: PodCache
  readonly probeAddresses: Pick<TrafficCapture['probeAddresses'], 'prune'>
  readonly enrolment: Pick<Enrolment, 'addAddresses' | 'createRules'>
  readonly scan: (wanted: readonly WantedPod[]) => Map<string, Netns>
  readonly reconcile: boolean
  readonly log: EnrolmentLog
}

/**
 * What an agent that starts takes over from its predecessor (docs/spec/cni.md 4.10): pods that are enrolled, whatever
 * their labels say by now; pending ones are left to the queue.
 */
export async function takeInitialSnapshot(options: InitialSnapshotOptions): Promise<void> {
  const { cache, enrolment, log } = options
  const enrolled = options.pods.filter(
    pod => redirectionOf(pod) === 'enabled' && !isTerminal(pod) && !isZtunnelPod(pod, options.systemNamespace)
  )
  for (const pod of enrolled) await tolerating(log, () => enrolment.addAddresses(pod, podIps(pod)))
  // Evicting an address of a live pod breaks its probes: prune only if every pod's addresses are known.
  if (enrolled.every(pod => podIps(pod).length > 0)) {
    const stale = await options.probeAddresses.prune(enrolled.flatMap(podIps))
    if (stale.length > 0) log.info(`probe addresses of no enrolled pod were removed: ${stale.join(', ')}`)
  }
  for (const pod of enrolled) cache.reserve(podUid(pod), workloadInfo(pod))
  const found = options.scan(enrolled.map(pod => ({ uid: podUid(pod), ips: podIps(pod) })))
  const lost: string[] = []
  for (const pod of enrolled) {
    const netns = found.get(podUid(pod))
    if (netns === undefined) lost.push(podName(pod))
    else cache.upsert(podUid(pod), workloadInfo(pod), netns)
  }
  if (lost.length > 0) log.warn(`network namespaces of enrolled pods were not found: ${lost.join(', ')}`)
  if (options.reconcile) {
    for (const pod of enrolled) {
      if (cache.netns(podUid(pod)) !== undefined) await tolerating(log, () => enrolment.createRules(pod))
    }
  }
  log.info(`took over ${enrolled.length} enrolled pods`)
}

async function tolerating(log: EnrolmentLog, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    log.warn(reasonOf(error))
  }
}
