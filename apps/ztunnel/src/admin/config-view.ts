import { existsSync } from 'node:fs'
import { type Settings, socks5Port } from '../settings/settings.ts'

/** `config` of the dump; docs/spec/observability-dns.md 8. Tokens and the local xDS source are never shown. */
export function configView(settings: Settings): Readonly<Record<string, unknown>> {
  const { sockets, ports, ca, xds, dns, dedicated, self } = settings
  const wildcard = sockets.ipv6 ? '[::]' : '0.0.0.0'
  const [dnsAddress] = dns.addresses
  return {
    proxy: settings.enableProxy,
    dnsProxy: dns.addresses.length > 0,
    windowSize: settings.http2.streamWindow,
    connectionWindowSize: settings.http2.connectionWindow,
    frameSize: settings.http2.maxFrameSize,
    poolMaxStreamsPerConn: settings.pool.maxStreamsPerTunnel,
    poolUnusedReleaseTimeout: duration(settings.pool.unusedRelease),
    socks5Addr: settings.socks5 ? `127.0.0.1:${socks5Port}` : null,
    adminAddr: { Localhost: [sockets.ipv6, ports.admin] },
    statsAddr: { SocketAddr: `${wildcard}:${ports.stats}` },
    readinessAddr: { SocketAddr: `${wildcard}:${ports.readiness}` },
    inboundAddr: `${wildcard}:15008`,
    inboundPlaintextAddr: `${wildcard}:15006`,
    outboundAddr: `${wildcard}:15001`,
    dnsProxyAddr: { Localhost: [sockets.ipv6, dnsAddress?.port ?? 15053] },
    illegalPorts: [...settings.illegalPorts],
    network: settings.network,
    localNode: settings.nodeName ?? null,
    proxyMode: dedicated === undefined ? 'Shared' : 'Dedicated',
    proxyWorkloadInformation: dedicated ?? null,
    clusterId: settings.clusterId,
    clusterDomain: settings.clusterDomain,
    caAddress: ca.fake ? null : ca.address,
    caRootCert: rootView(ca.rootCa),
    altCaHostname: ca.altHostname ?? null,
    xdsAddress: xds?.address ?? null,
    xdsRootCert: xds === undefined ? null : rootView(xds.rootCa),
    altXdsHostname: xds?.altHostname ?? null,
    preferedServiceNamespace: settings.preferredNamespace ?? null,
    secretTtl: duration(ca.ttlSeconds * 1_000),
    xdsOnDemand: xds?.onDemand ?? false,
    fakeCa: ca.fake,
    fakeSelfInbound: false,
    selfTerminationDeadline: duration(settings.terminationDeadline),
    proxyMetadata: Object.fromEntries(settings.node.metadata),
    numWorkerThreads: settings.threads.most,
    requireOriginalSource: { auto: null, require: true, never: false }[sockets.originalSource],
    proxyArgs: '',
    dnsResolverCfg: {},
    dnsResolverOpts: {},
    inpodUds: settings.zdsPath,
    inpodPortReuse: sockets.reusePort,
    packetMark: sockets.mark === 0 ? null : sockets.mark,
    socketConfig: {
      keepaliveEnabled: sockets.keepalive !== undefined,
      keepaliveTime: duration(sockets.keepalive?.idle ?? 0),
      keepaliveInterval: duration(sockets.keepalive?.interval ?? 0),
      keepaliveRetries: sockets.keepalive?.retries ?? 0,
      userTimeoutEnabled: sockets.userTimeout
    },
    xdsHeaders: Object.keys(xds?.headers ?? {}),
    caHeaders: Object.keys(ca.headers),
    localhostAppTunnel: settings.localhostAppTunnel,
    ztunnelIdentity:
      self === undefined ? null : `spiffe://${settings.trustDomain}/ns/${self.namespace}/sa/${self.serviceAccount}`,
    ztunnelWorkload: self ?? null,
    ipv6Enabled: sockets.ipv6,
    crlPath: settings.crlPath ?? null,
    enableEnhancedBaggage: settings.responseBaggage
  }
}

function duration(milliseconds: number): { readonly secs: number; readonly nanos: number } {
  const secs = Math.floor(milliseconds / 1_000)
  return { secs, nanos: Math.round((milliseconds - secs * 1_000) * 1e6) }
}

function rootView(setting: string): unknown {
  if (setting === 'SYSTEM') return 'Default'
  return existsSync(setting) ? { File: setting } : 'Static'
}
