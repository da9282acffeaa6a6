import { authorizeNode, createCertificateHandler } from '@culvert/certificates'
import type { KubernetesClient } from '@culvert/kubernetes'
import type { Log } from '@culvert/telemetry'
import type { Metadata } from '@grpc/grpc-js'
import { type Authentication, authenticate, clusterIdOf } from './authority/authenticate.ts'
import { type AuthorityState, createAuthorityState } from './authority/authority-state.ts'
import type { Caller } from './authority/caller.ts'
import type { KeyMaterial } from './authority/key-material.ts'
import { readPluggedInCa } from './authority/plugged-in-ca.ts'
import { startRootPublisher } from './authority/root-publisher.ts'
import { startRotation } from './authority/rotate.ts'
import { loadSelfSignedCa } from './authority/self-signed-ca.ts'
import { issueServingCertificate, servingNames } from './authority/serving-certificate.ts'
import { createTokenAuthenticator } from './authority/token-authenticator.ts'
import { systemClock } from './clock.ts'
import { createDebounce } from './discovery/debounce.ts'
import { createDiscoveryService } from './discovery/discovery-service.ts'
import { createInventory } from './inventory/inventory.ts'
import { createIstiodMetrics } from './monitoring/metrics.ts'
import { httpRoutes, type MonitoringOptions, monitoringRoutes } from './monitoring/monitoring-routes.ts'
import { clientCertificate, createGrpcServers } from './servers/grpc-servers.ts'
import { type HttpEndpoint, startHttpEndpoint } from './servers/http-endpoint.ts'
import type { TlsIdentity } from './servers/tls-front.ts'
import type { ListenAddress } from './settings/arguments.ts'
import type { Settings } from './settings/settings.ts'
import { writePolicyStatus } from './status/policy-status.ts'
import { version } from './version.ts'
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

/** The control plane: objects in, resources and certificates out. */
export function createIstiod(settings: Settings, client: KubernetesClient, log: Log): Istiod {
  const clock = systemClock
  const metrics = createIstiodMetrics(version)
  const stop = new AbortController()
  const endpoints: HttpEndpoint[] = []
  const kubernetesLog = log.scope('kube')
  const caLog = log.scope('pkica')
  const adsLog = log.scope('ads')
  let ready = false
  let synced = false
  let authority: AuthorityState | undefined

  const trustDomain = settings.trustDomain
  const inventory = createInventory({
    mesh: {
      clusterId: settings.clusterId,
      trustDomain,
      workloadTrustDomain: trustDomain === 'cluster.local' ? '' : trustDomain,
      rootNamespace: settings.rootNamespace,
      domain: settings.domain
    },
    systemNamespace: settings.namespace,
    revision: settings.revision === '' ? undefined : settings.revision,
    dryRunPolicies: settings.dryRunPolicies
  })
  const { published } = inventory

  const tokens = createTokenAuthenticator({
    client,
    audiences: settings.tokenAudiences,
    clusterId: settings.clusterId,
    clusterAliases: settings.arguments.clusterAliases,
    trustDomain: () => trustDomain,
    clock
  })
  const authenticateMetadata = (metadata: Metadata): Promise<Authentication> =>
    authenticate({ certificate: undefined, metadata }, tokens)

  async function authenticateCall(
    call: { metadata: Metadata } & Parameters<typeof clientCertificate>[0]
  ): Promise<Caller | undefined> {
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
    push(changes) {
      metrics.trigger('ambient')
      adsLog.info(`Push debounce stable: ${changes.addresses.size} addresses, ${changes.policies.size} policies`)
      discovery.push(changes)
    }
  })

  // Events come in bursts, one per object; what they reach is computed once per turn of the event loop.
  let scheduled: NodeJS.Immediate | undefined
  const changed = (): void => {
    if (!synced) return
    scheduled ??= setImmediate(() => {
      scheduled = undefined
      inventory.flush()
      debounce.add(published.takeChanges())
    })
  }
  const watch = watchObjects({
    client,
    inventory,
    changed,
    onEvent: metrics.event,
    onError: error => kubernetesLog.warn(error.message)
  })

  const certificates = createCertificateHandler<Caller>({
    authenticate: call => {
      metrics.csr()
      return authenticateCall(call)
    },
    identities: caller => caller.identities,
    impersonate(caller, wanted, metadata) {
      const { trustedNodeAccounts } = settings.authority
      if (caller.pod === undefined) return { allowed: false, reason: 'the credential is not bound to a pod' }
      // By its raw name: an alias or an absent header finds no index (3.3, step 2).
      const index = synced && clusterIdOf(metadata) === settings.clusterId ? inventory.podIndex : undefined
      const { namespace, serviceAccount, pod } = caller
      const node = { namespace, serviceAccount, podName: pod.name, podUid: pod.uid }
      return authorizeNode(trustedNodeAccounts, index, node, wanted)
    },
    authority: () => authority?.authority,
    onResult(result) {
      metrics.certificate(result)
      if (result.kind === 'issued') caLog.debug(`issued a certificate for ${JSON.stringify(result.sans.join(','))}`)
      else caLog.warn(`no certificate: ${result.reason}`)
    }
  })

  const grpc = createGrpcServers({
    handlers: { discovery: discovery.handler, certificates: settings.authority.enabled ? certificates : undefined },
    maxConnectionAgeMs: settings.arguments.maxConnectionAgeMs,
    trustDomain,
    log: log.scope('tls')
  })

  const monitoring: MonitoringOptions = {
    ready: () => ready,
    version,
    renderMetrics: () => metrics.registry.render('prometheus'),
    metricsLocalOnly: settings.metricsLocalOnly,
    authenticate: authenticateMetadata,
    debugNamespaces: settings.debugAuth ? new Set([settings.rootNamespace, ...settings.debugNamespaces]) : undefined,
    debug: settings.debugOnHttp
      ? {
          published,
          connections: () => discovery.connections,
          mesh: () => ({ trustDomain, rootNamespace: settings.rootNamespace }),
          push() {
            discovery.push({
              addresses: new Set(),
              policies: new Set([...published.policies()].map(({ name }) => name))
            })
            return discovery.connections.size
          }
        }
      : undefined
  }

  async function keyMaterial(signal: AbortSignal): Promise<{ material: KeyMaterial; selfSigned: boolean }> {
    const plugged = readPluggedInCa(settings.authority.directory)
    if (plugged !== undefined) {
      caLog.info(`using the CA of ${settings.authority.directory}`)
      return { material: plugged, selfSigned: false }
    }
    const material = await loadSelfSignedCa({
      client,
      namespace: settings.namespace,
      organization: trustDomain,
      ttlSeconds: settings.authority.rootTtlSeconds,
      log: caLog,
      signal
    })
    return { material, selfSigned: true }
  }

  async function servingIdentity(state: AuthorityState): Promise<TlsIdentity> {
    const { namespace, revision, servingHosts } = settings
    const names = servingNames({ namespace, revision, extra: servingHosts })
    const serving = await issueServingCertificate(state.servingAuthority, names, settings.authority.rootTtlSeconds)
    return { ...serving, roots: state.material.rootBundle, crl: state.material.crl }
  }

  async function startAuthority(signal: AbortSignal): Promise<AuthorityState> {
    const { material, selfSigned } = await keyMaterial(signal)
    const { defaultTtlSeconds, maxTtlSeconds } = settings.authority
    const state = await createAuthorityState(material, { defaultTtlSeconds, maxTtlSeconds })
    const expiry = (): void => metrics.rootExpiry(state.authority.signingCertificate.validToDate)
    expiry()
    state.onChange(() => {
      expiry()
      servingIdentity(state).then(grpc.setIdentity, error => caLog.error(`serving certificate: ${error.message}`))
    })
    if (!selfSigned) return state
    const { rootTtlSeconds, rotationCheckSeconds, rotationGracePercent, rotationJitter } = settings.authority
    const rotation = startRotation({
      client,
      namespace: settings.namespace,
      organization: trustDomain,
      ttlSeconds: rootTtlSeconds,
      gracePercent: rotationGracePercent,
      intervalSeconds: rotationCheckSeconds,
      jitter: rotationJitter,
      state,
      clock,
      log: caLog
    })
    stop.signal.addEventListener('abort', rotation.stop, { once: true })
    return state
  }

  async function publishRoot(state: AuthorityState): Promise<void> {
    const { rootConfigMap, crlConfigMap } = settings.authority
    const root = { name: rootConfigMap, key: 'root-cert.pem', content: () => state.material.rootBundle }
    const crl = { key: 'ca-crl.pem', content: () => state.material.crl }
    const publisher = await startRootPublisher({
      client,
      namespaces: watch.informers.namespace,
      files: crlConfigMap === undefined ? [root] : [root, { name: crlConfigMap, ...crl }],
      log: log.scope('namespacecontroller'),
      signal: stop.signal
    })
    state.onChange(publisher.refresh)
  }

  return {
    async start({ signal }) {
      const all = AbortSignal.any([signal, stop.signal])
      const { arguments: flags, authority: ca } = settings
      const http = await startHttpEndpoint(flags.httpAddr, httpRoutes(monitoring))
      endpoints.push(http)
      const monitor = await startHttpEndpoint(flags.monitoringAddr, monitoringRoutes(monitoring))
      endpoints.push(monitor)
      const plainGrpc = flags.grpcAddr && (await grpc.listenPlain(flags.grpcAddr))

      const [state] = await Promise.all([ca.enabled ? startAuthority(all) : undefined, watch.start({ signal: all })])
      inventory.flush()
      published.takeChanges()
      authority = state
      synced = true
      const secureGrpc =
        state && flags.secureGrpcAddr && (await grpc.listenSecure(flags.secureGrpcAddr, await servingIdentity(state)))
      ready = true
      adsLog.info('All caches have been synced, marking server ready')
      if (state !== undefined) {
        publishRoot(state).catch(error => !stop.signal.aborted && caLog.error(`publishing the root: ${error.message}`))
      }
      if (settings.ambientStatus) {
        writePolicyStatus({
          client,
          policies: watch.informers.authorizationPolicy,
          rootNamespace: settings.rootNamespace,
          dryRun: settings.dryRunPolicies,
          isLeader: () => true,
          log: log.scope('status'),
          signal: stop.signal
        })
      }
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
      await grpc.drain({ deadline })
      for (const endpoint of endpoints) endpoint.close()
    }
  }
}
