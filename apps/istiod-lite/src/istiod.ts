import { systemClock } from '@culvert/clock'
import type { KubernetesClient } from '@culvert/kubernetes'
import type { Log } from '@culvert/telemetry'
import { authenticate } from './authority/authenticate.ts'
import type { AuthorityState } from './authority/authority-state.ts'
import type { Caller } from './authority/caller.ts'
import { answerCertificateRequests } from './authority/certificate-requests.ts'
import { followAuthority } from './authority/follow-authority.ts'
import { servingIdentity, startAuthority } from './authority/start-authority.ts'
import { createTokenAuthenticator } from './authority/token-authenticator.ts'
import { createDebounce } from './discovery/debounce.ts'
import { createDiscoveryService } from './discovery/discovery-service.ts'
import { createElections } from './election/elections.ts'
import { createInventory } from './inventory/inventory.ts'
import { createIstiodMetrics } from './monitoring/metrics.ts'
import { httpRoutes, type MonitoringOptions, monitoringRoutes } from './monitoring/monitoring-routes.ts'
import { type AuthenticatedCall, clientCertificate, createGrpcServers } from './servers/grpc-servers.ts'
import { type HttpEndpoint, startHttpEndpoint } from './servers/http-endpoint.ts'
import type { ListenAddress } from './settings/arguments.ts'
import type { Settings } from './settings/settings.ts'
import { createConditionWriter } from './status/condition-writer.ts'
import { controlPlaneIdentifier, version } from './version.ts'
import { watchObjects } from './watch-objects.ts'

export interface Addresses {
  readonly http: ListenAddress
  readonly monitoring: ListenAddress
  readonly plainGrpc: ListenAddress | undefined
  readonly secureGrpc: ListenAddress | undefined
  /** What clients verify us with, PEM; undefined without a CA. */
  readonly rootBundle: string | undefined
}

export interface Istiod {
  /** Resolves when everything is bound, in sync and serving. */
  start(options: { signal: AbortSignal }): Promise<Addresses>
  drain(options: { deadline: AbortSignal }): Promise<void>
}

const computeBudgetMs = 20

/** The control plane: objects in, resources and certificates out. */
export function createIstiod(settings: Settings, client: KubernetesClient, log: Log): Istiod {
  const { trustDomain, rootNamespace, namespace } = settings
  // In a SPIFFE ID the trust domain is a host, which has no @.
  const identityDomain = trustDomain.replaceAll('@', '.')
  const clock = systemClock
  const metrics = createIstiodMetrics(version)
  const stop = new AbortController()
  const endpoints: HttpEndpoint[] = []
  const debugNamespaces = settings.debugAuth ? new Set([rootNamespace, ...settings.debugNamespaces]) : undefined
  const caLog = log.scope('pkica')
  const adsLog = log.scope('ads')
  let ready = false
  let synced = false
  let authority: AuthorityState | undefined

  const inventory = createInventory({
    mesh: {
      clusterId: settings.clusterId,
      trustDomain,
      workloadTrustDomain: trustDomain === 'cluster.local' ? '' : trustDomain,
      rootNamespace,
      domain: settings.domain
    },
    systemNamespace: namespace,
    revision: settings.revision === '' ? undefined : settings.revision,
    dryRunPolicies: settings.dryRunPolicies,
    waypointPolicies: settings.waypointPolicies,
    onError: (unit, error) => log.scope('ambient').error(`cannot compute ${unit}: ${error.message}`)
  })
  const { published } = inventory

  const tokens = createTokenAuthenticator({
    client,
    audiences: settings.tokenAudiences,
    clusterId: settings.clusterId,
    clusterAliases: settings.arguments.clusterAliases,
    trustDomain: identityDomain,
    clock
  })
  async function authenticateCall(call: AuthenticatedCall): Promise<Caller | undefined> {
    const verdict = await authenticate({ certificate: clientCertificate(call), metadata: call.metadata }, tokens)
    if (verdict.accepted) return verdict.caller
    log.scope('security').warn(`authentication failed: ${verdict.reason}`)
    return undefined
  }

  const discovery = createDiscoveryService({
    published,
    synced: () => synced,
    ambient: settings.ambient,
    authenticate: authenticateCall,
    pushesAtOnce: settings.pushesAtOnce,
    connectionsPerSecond: settings.connectionsPerSecond,
    clock,
    log: adsLog,
    identifier: controlPlaneIdentifier(settings.podName),
    statusNamespaces: debugNamespaces,
    events: {
      connected: () => metrics.clients(discovery.connections.size),
      closed: () => metrics.clients(discovery.connections.size),
      sent: metrics.pushed,
      rejected: metrics.rejected,
      expiredNonce: metrics.expiredNonce
    }
  })
  const debounce = createDebounce({
    quiet: settings.debounce.quietMs,
    longest: settings.debounce.longestMs,
    clock,
    push(changes, waited) {
      metrics.debounced(waited)
      adsLog.info(`Push debounce stable: ${changes.addresses.size} addresses, ${changes.policies.size} policies`)
      discovery.push(changes)
    }
  })

  const elections = createElections({ client, namespace, identity: settings.podName, clock, log: log.scope('leader') })
  const conditions = createConditionWriter({
    client,
    inventory,
    leads: () => elections.leads('istio-status-leader'),
    log: log.scope('status'),
    signal: stop.signal
  })

  // Events come in bursts, one per object; what they reach is computed once per turn of the event loop. A change that
  // reaches every workload of a big mesh takes seconds, in which certificates are signed all the same.
  let scheduled: NodeJS.Immediate | undefined
  function compute(): void {
    const done = inventory.flush(computeBudgetMs)
    scheduled = done ? undefined : setImmediate(compute)
    debounce.add(published.takeChanges())
    conditions.update()
  }
  const watch = watchObjects({
    client,
    inventory,
    changed() {
      if (synced) scheduled ??= setImmediate(compute)
    },
    onEvent: metrics.event,
    onError: error => log.scope('kube').warn(error.message)
  })

  const certificates = answerCertificateRequests({
    settings,
    authenticate: authenticateCall,
    podIndex: () => (synced ? inventory.podIndex : undefined),
    authority: () => authority?.authority,
    metrics,
    log: caLog
  })
  const grpc = createGrpcServers({
    handlers: {
      discovery: discovery.handler,
      status: discovery.statusHandler,
      certificates: settings.authority.enabled ? certificates : undefined
    },
    maxConnectionAgeMs: settings.arguments.maxConnectionAgeMs,
    trustDomain: identityDomain,
    log: log.scope('tls')
  })

  const monitoring: MonitoringOptions = {
    ready: () => ready,
    version,
    renderMetrics: () => metrics.registry.render('prometheus'),
    metricsLocalOnly: settings.metricsLocalOnly,
    authenticate: metadata => authenticate({ certificate: undefined, metadata }, tokens),
    debugNamespaces,
    debug: settings.debugOnHttp
      ? {
          published,
          connections: () => discovery.connections,
          mesh: () => ({ trustDomain, rootNamespace }),
          push() {
            const policies = new Set([...published.policies()].map(({ name }) => name))
            discovery.push({ addresses: new Set(), policies })
            return discovery.connections.size
          }
        }
      : undefined
  }

  const follow = (state: AuthorityState): Promise<void> =>
    followAuthority(state, {
      settings,
      client,
      namespaces: watch.informers.namespace,
      elections,
      metrics,
      setIdentity: grpc.setIdentity,
      log,
      signal: stop.signal
    })

  return {
    async start({ signal }) {
      const both = AbortSignal.any([signal, stop.signal])
      const { httpAddr, monitoringAddr, grpcAddr, secureGrpcAddr } = settings.arguments
      const http = await startHttpEndpoint(httpAddr, httpRoutes(monitoring))
      endpoints.push(http)
      const monitor = await startHttpEndpoint(monitoringAddr, monitoringRoutes(monitoring))
      endpoints.push(monitor)
      const plainGrpc = grpcAddr && (await grpc.listenPlain(grpcAddr))

      const authorityOptions = { settings, client, clock, log: caLog, signal: both }
      // Pods wait for the root to mount it, so it is published before anything else is ready.
      const loading = settings.authority.enabled
        ? startAuthority(authorityOptions).then(state => {
            void follow(state)
            return state
          })
        : undefined
      const [state] = await Promise.all([loading, watch.start({ signal: both })])
      authority = state
      inventory.flush()
      published.takeChanges()
      synced = true
      const identity = state && (await servingIdentity(state, settings))
      const secureGrpc = identity && secureGrpcAddr && (await grpc.listenSecure(secureGrpcAddr, identity))
      ready = true
      adsLog.info('All caches have been synced, marking server ready')
      if (settings.ambientStatus) elections.run('Lease', 'istio-status-leader', conditions.refresh)
      return {
        http: http.address,
        monitoring: monitor.address,
        plainGrpc,
        secureGrpc,
        rootBundle: state?.material.rootBundle
      }
    },
    async drain({ deadline }) {
      ready = false
      debounce.stop()
      if (scheduled !== undefined) clearImmediate(scheduled)
      stop.abort()
      discovery.close()
      await Promise.all([grpc.drain({ deadline }), elections.stop()])
      for (const endpoint of endpoints) endpoint.close()
    }
  }
}
