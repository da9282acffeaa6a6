import path from 'node:path'
import { chooseBackend, createTrafficCapture, type TrafficCapture } from '@culvert/iptables'
import {
  createInformer,
  type Informer,
  type KubernetesClient,
  type KubernetesObject,
  namespaces,
  pods,
  type Resource,
  type V1Namespace,
  type V1Pod
} from '@culvert/kubernetes'
import type { Log } from '@culvert/telemetry'
import { createZdsServer, type ZdsServer } from '@culvert/zds'
import { reasonOf } from '../errors.ts'
import { startEventServer } from '../event-server.ts'
import { scanProc } from '../find-netns/scan-proc.ts'
import type { AgentMetrics } from '../monitoring/agent-metrics.ts'
import { createEnrolment, type Enrolment } from '../pods/enrolment.ts'
import { takeInitialSnapshot } from '../pods/initial-snapshot.ts'
import { createPluginEventHandler } from '../pods/plugin-events.ts'
import { createPodCache, type PodCache } from '../pods/pod-cache.ts'
import { createPodController } from '../pods/pod-controller.ts'
import { podIps, podUid } from '../pods/pod-facts.ts'
import { createAnnotate } from '../pods/redirection-annotation.ts'
import type { AgentSettings } from '../settings/agent-settings.ts'
import { type HostNetns, openHostNetns } from './host-netns.ts'
import { createProbeSets, installHostRules, removeHostState } from './host-rules.ts'

export interface AmbientAgentOptions {
  readonly settings: AgentSettings
  readonly client: KubernetesClient
  readonly metrics: AgentMetrics
  readonly log: Log
}

/** Enrols the pods of this node (docs/spec/cni.md 4), running. */
export interface AmbientAgent {
  /** Stops all work; rules, sets and annotations stay. */
  stop(): Promise<void>
}

/** Starts everything in the order of docs/spec/cni.md 4.1; resolves when the plugin's events can be answered. */
export async function startAmbientAgent(
  options: AmbientAgentOptions,
  { signal }: { signal: AbortSignal }
): Promise<AmbientAgent> {
  const started: (() => Promise<void> | void)[] = []
  const stop = async (): Promise<void> => {
    for (const end of started.splice(0).reverse()) await end()
  }
  try {
    await start(options, signal, started)
    return { stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function start(
  { settings, client, metrics, log: logs }: AmbientAgentOptions,
  signal: AbortSignal,
  started: (() => Promise<void> | void)[]
): Promise<void> {
  const log = logs.scope('cni-agent')
  const procRoot = path.join(settings.hostRoot, 'proc')

  const host = openHostNetns(settings.hostRoot)
  started.push(() => host.close())
  const capture = await startCapture(settings, host, logs)
  await createProbeSets(capture, log)

  const cache = createPodCache()
  started.push(() => cache.close())
  const zds = createZdsServer({
    path: settings.zdsPath,
    snapshot: () => cache.snapshot(),
    log: logs.scope('zds'),
    onConnectionCount: metrics.ztunnelsConnected
  })
  zds.listen()
  started.push(() => zds.close())

  await installHostRules(capture, { log, signal })

  const enrolment = enrolmentOf({ capture, cache, zds, host, client, procRoot, log })
  const watching = new AbortController()
  started.push(() => watching.abort())
  const informers = startInformers(client, settings.nodeName, log)
  const controller = createPodController({
    ...informers,
    ...settings,
    enrolment,
    onEvent: metrics.reconciled,
    log
  })
  started.push(() => controller.stop())

  const events = await startEventServer({
    socketPath: path.join(settings.runDir, 'pluginevent.sock'),
    add: createPluginEventHandler({ ...informers, selectors: settings.selectors, enrolment }),
    onAnswer: (status, event, error) => {
      if (status > 0) metrics.pluginAnswered(status)
      const pod = event === undefined ? 'an event' : `${event.podNamespace}/${event.podName}`
      if (error) log.warn(`the CNI plugin's request for ${pod} was answered with ${status}: ${error.message}`)
    }
  })
  started.push(() => events.close())

  // The agent's stop ends the informers through `watching`; one that is stopped while they sync must not hang.
  const until = AbortSignal.any([signal, watching.signal])
  await Promise.all([informers.pods.start({ signal: until }), informers.namespaces.start({ signal: until })])
  try {
    await takeInitialSnapshot({
      pods: informers.pods.list(),
      systemNamespace: settings.systemNamespace,
      cache,
      probeAddresses: capture.probeAddresses,
      enrolment,
      scan: wanted => scanProc(procRoot, wanted),
      reconcile: settings.reconcileOnStartup,
      log
    })
  } catch (error) {
    log.warn(`cannot take over all enrolled pods: ${reasonOf(error)}`)
  }
  controller.start()
  zds.accept()
}

async function startCapture(settings: AgentSettings, host: HostNetns, logs: Log): Promise<TrafficCapture> {
  const log = logs.scope('iptables')
  const netns = settings.switchToHostNetns ? host.netns : undefined
  const { capture, nativeNftables, forcedIptables } = settings
  const backend = await chooseBackend({ nativeNftables, ipv6: capture.ipv6, netns, log })
  if (backend === 'nftables' && forcedIptables !== undefined) {
    log.warn('FORCE_IPTABLES_BINARY has no effect with native nftables')
  }
  return await createTrafficCapture({
    backend,
    settings: capture,
    reconcile: settings.reconcileOnStartup,
    host: netns,
    log,
    forcedIptables,
    procRoot: path.join(settings.hostRoot, 'proc')
  })
}

/** Takes the node's own rules and sets away; for an agent that is stopped, or did not get far enough to start. */
export async function removeAmbientHostState(settings: AgentSettings, logs: Log): Promise<void> {
  const host = openHostNetns(settings.hostRoot)
  try {
    await removeHostState(await startCapture(settings, host, logs), logs.scope('cni-agent'))
  } finally {
    host.close()
  }
}

function enrolmentOf(parts: {
  capture: TrafficCapture
  cache: PodCache
  zds: ZdsServer
  host: HostNetns
  client: KubernetesClient
  procRoot: string
  log: ReturnType<Log['scope']>
}): Enrolment {
  const { capture, cache, zds, host, client, procRoot, log } = parts
  return createEnrolment({
    cache,
    capture,
    zds,
    annotate: createAnnotate(client),
    openPath: hostPath => host.openPath(hostPath),
    find: pod => scanProc(procRoot, [{ uid: podUid(pod), ips: podIps(pod) }]).get(podUid(pod)),
    log
  })
}

function startInformers(
  client: KubernetesClient,
  nodeName: string,
  log: ReturnType<Log['scope']>
): { pods: Informer<V1Pod>; namespaces: Informer<V1Namespace> } {
  const informer = <T extends KubernetesObject>(resource: Resource<T>, fieldSelector?: string): Informer<T> =>
    createInformer(client, resource, {
      fieldSelector,
      onError: error => log.warn(`watching ${resource.plural}: ${error.message}`)
    })
  return { pods: informer(pods, `spec.nodeName=${nodeName}`), namespaces: informer(namespaces) }
}
