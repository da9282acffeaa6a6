import { closeSync } from 'node:fs'
import { createAuthorizer } from '@culvert/authorization'
import { createFairSlots, parseHosts, parseResolvConf } from '@culvert/dns'
import { currentNetns, listenTcp, reserveDescriptors } from '@culvert/netns'
import { createMetrics, createReadiness, type HttpServer, type Log } from '@culvert/telemetry'
import { createDataPath } from '@culvert/tunnel'
import { createPolicyStore, createTurns, createWorkloadIndex, type PolicyStore } from '@culvert/workloads'
import { createAdminServers } from '../admin/admin-server.ts'
import { configDump } from '../admin/config-dump.ts'
import { explainResponse } from '../explain/explain-query.ts'
import { createRecentConnections } from '../explain/recent-connections.ts'
import { observeDns } from '../observe/dns-metrics.ts'
import { declareNodeMetrics } from '../observe/node-metrics.ts'
import { dnsServices } from '../pods/dns-services.ts'
import { type PodStarterOptions, type StartedPod, startPod, startSelf } from '../pods/pod-starter.ts'
import { createPodStates } from '../pods/pod-states.ts'
import { createSharedPods } from '../pods/shared-pods.ts'
import { createProfiler } from '../profiling/profiler.ts'
import type { Settings } from '../settings/settings.ts'
import type { LiveConnections } from '../connections/live-connections.ts'
import { createNodeCertificates, followWorkloads } from './certificates.ts'
import { createNodeDiscovery } from './discovery.ts'
import { createHostnameResolver } from './hostname-resolver.ts'
import { applyLocalConfiguration } from './local-config.ts'
import { createNodeContext } from './node-context.ts'
import { followRevocations } from './revocations.ts'

/** Nine for each pod, some for each connection; beyond these the kernel makes room when they are needed. */
const reservedDescriptors = 16_384

/** Questions that wait for servers, for each pod and in all: each has a descriptor for every server that is asked. */
const dnsSlots = { all: 1_024, each: 256 }

export interface ZtunnelOptions {
  readonly settings: Settings
  readonly log: Log
  /** Texts of `/etc/resolv.conf` and `/etc/hosts`, empty where there is none. */
  readonly files: { readonly resolvConf: string; readonly hosts: string }
  /** Nothing can go on: the process must end with status 1. */
  readonly onFatal: (error: Error) => void
  /** `/quitquitquit` asks for `stop`. */
  readonly onQuit: () => void
}

export interface Ztunnel {
  /** Graceful shutdown, docs/spec/zds.md 4.6. Repeatable. */
  readonly stop: () => Promise<void>
}

/** The node proxy, from its settings to its pods. Resolves when its own servers stand; pods follow the first sync. */
export async function startZtunnel(options: ZtunnelOptions): Promise<Ztunnel> {
  const { settings, log } = options
  const shared = settings.dedicated === undefined
  const dnsEnabled = settings.dns.addresses.length > 0
  if (shared) proveCapabilities(settings.sockets.mark)
  reserveDescriptors(reservedDescriptors)

  const registry = createMetrics()
  const metrics = declareNodeMetrics(registry, { istioVersion: settings.istioVersion, dns: dnsEnabled, shared })
  const readiness = createReadiness()
  const synced = readiness.task('state manager')
  const proxyBuilt = settings.enableProxy ? readiness.task('proxy') : undefined
  const dnsBuilt = dnsEnabled ? readiness.task('dns proxy') : undefined
  const podsReady = shared ? readiness.task('workload proxy manager') : undefined

  const index = createWorkloadIndex({ localNode: settings.nodeName })
  const policies = createPolicyStore()
  const certificates = await createNodeCertificates(settings, log.scope('ztunnel::identity::manager'))
  // A SPIRE agent sends what a pod may have as soon as the pod is here.
  const prefetch = shared && settings.nodeName !== undefined && settings.ca.spireSocket === undefined
  if (shared) followWorkloads(index, certificates, { prefetch, log: log.scope('ztunnel::cert_fetcher') })
  const local = await applyLocalConfiguration(settings, { index, policies }, log.scope('ztunnel::state'))
  const discovery =
    settings.xds &&
    createNodeDiscovery(settings, settings.xds, {
      index,
      policies,
      metrics: metrics.xds,
      log: log.scope('ztunnel::xds::client')
    })

  const resolver = parseResolvConf(options.files.resolvConf)
  const hosts = parseHosts(options.files.hosts)
  const { ipv6, listenerMark, reusePort } = settings.sockets
  const resolveHostname = createHostnameResolver({ config: resolver, hosts, ipv6, randomCase: settings.dns.randomCase })
  const recent = createRecentConnections()
  const node = createNodeContext({
    settings,
    log,
    index,
    policies,
    certificates,
    metrics: metrics.traffic,
    recent,
    discovery,
    resolveHostname
  })
  const dnsLog = log.scope('ztunnel::dns::server')
  const dataPath = createDataPath({
    log: log.scope('ztunnel::proxy'),
    threads: settings.threads.start,
    mostThreads: settings.threads.most,
    limits: settings.limits,
    tls: settings.tls
  })
  /** From here on nothing new begins. */
  const stopping = new AbortController()
  /** Until nothing is left: policies and revocations of today also hold for connections that are drained. */
  const following = new AbortController()
  if (settings.crlPath !== undefined) {
    followRevocations({
      file: settings.crlPath,
      revoke: lists => dataPath.revoke(lists),
      log: log.scope('ztunnel::tls::crl'),
      signal: following.signal
    })
  }
  const starter: PodStarterOptions = {
    node,
    settings,
    dataPath,
    dns: dnsEnabled
      ? {
          settings: settings.dns,
          slots: createFairSlots(dnsSlots),
          mark: listenerMark,
          reusePort,
          ipv6,
          clusterDomain: settings.clusterDomain,
          preferredNamespace: settings.preferredNamespace,
          search: shared ? undefined : resolver.search,
          resolver,
          hosts,
          services: dnsServices(index),
          observe: observeDns(log.scope('dns'), metrics.dns),
          onError: error => dnsLog.error('a query failed', { error: String(error) })
        }
      : undefined
  }

  const states = createPodStates()
  const own: StartedPod[] = []
  judgeAgainInTurns(policies, () => [...states.live(), ...own.map(pod => pod.live)])
  const sharedPods = shared
    ? createSharedPods({
        starter,
        states,
        certificates,
        metrics: metrics.pods,
        log,
        onReady: ready => (ready ? podsReady?.done() : podsReady?.again()),
        onFatal: options.onFatal
      })
    : undefined

  const servers = createAdminServers({
    settings,
    log,
    metrics: registry,
    readiness,
    configDump: async () => {
      const staticConfig = await local.dump()
      return configDump({ settings, index, policies, certificates, staticConfig, states: shared ? states : undefined })
    },
    explain: request =>
      explainResponse(
        request,
        {
          routing: node.routing,
          authorizer: createAuthorizer(policies),
          resolve: workload => resolveHostname(workload.hostname)
        },
        recent
      ),
    profiler: createProfiler({ signal: stopping.signal }),
    shutDown: options.onQuit
  })
  await startAll(servers)

  // These bind now, so that a taken port fails the start, and decide nothing before the first sync (docs/spec/zds.md 5).
  const firstSync = discovery?.ready ?? Promise.resolve()
  if (settings.dedicated !== undefined) own.push(await startPod(starter, settings.dedicated, undefined, firstSync))
  else if (settings.self !== undefined) own.push(await startSelf(starter, settings.self, firstSync))
  proxyBuilt?.done()
  dnsBuilt?.done()

  const follow = async (): Promise<void> => {
    discovery?.start({ signal: following.signal })
    await firstSync
    if (stopping.signal.aborted) return
    local.follow(following.signal)
    synced.done()
    sharedPods?.start()
  }
  follow().catch((error: unknown) => options.onFatal(error instanceof Error ? error : new Error(String(error))))

  let stopped: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    const deadline = AbortSignal.timeout(settings.terminationDeadline)
    stopping.abort()
    await Promise.all([
      sharedPods?.drain({ deadline }),
      ...own.map(pod => pod.drain({ deadline })),
      ...servers.map(server => server.drain({ deadline }))
    ])
    following.abort()
    await starter.dataPath.close()
    certificates.shutDown()
  }
  return {
    stop: () => {
      stopped ??= stop()
      return stopped
    }
  }
}

/** After every change of policies all live connections are judged by what holds then, while new ones are served. */
function judgeAgainInTurns(policies: PolicyStore, live: () => readonly LiveConnections[]): void {
  const turns = createTurns()
  let waiting = false
  function* judgeAll(): Generator<void> {
    waiting = false
    for (const connections of live()) yield* connections.judgeAgain()
  }
  policies.watch(() => {
    if (waiting) return
    waiting = true
    void turns.take(judgeAll())
  })
}

/** Binds all or none. */
async function startAll(servers: readonly HttpServer[]): Promise<void> {
  const started: HttpServer[] = []
  try {
    for (const server of servers) {
      await server.start()
      started.push(server)
    }
  } catch (error) {
    await Promise.all(started.map(server => server.drain({ deadline: AbortSignal.abort() })))
    throw error
  }
}

/** Entering a namespace and marking a socket need privileges: without them fail now, not at the first pod. */
function proveCapabilities(mark: number): void {
  using netns = currentNetns()
  closeSync(listenTcp(netns, { ip: '127.0.0.1', port: 0, mark }).fd)
}
