import { type DirectiveFilter, parseLogFilter } from '@culvert/telemetry'
import type { WorkloadIdentity } from '@culvert/workloads'
import { type CaSettings, readCa, readXds, type XdsSettings } from './control-plane-settings.ts'
import { type DnsSettings, readDnsSettings } from './dns-settings.ts'
import { invalidVariable, SettingError } from './errors.ts'
import { type NodeSettings, readNode } from './node-settings.ts'
import { readProxyConfig } from './proxy-config.ts'
import { createSettingReader, type Environment, type SettingReader } from './reader.ts'
import { readSockets, type SocketSettings } from './socket-settings.ts'
import { readThreads, type ThreadSettings } from './thread-settings.ts'

/** Everything the environment says, parsed once: docs/spec/zds.md 5. Times in milliseconds. */
export interface Settings {
  /** Undefined: shared mode, pods come from the node agent. */
  readonly dedicated: WorkloadIdentity | undefined
  readonly zdsPath: string
  readonly sockets: SocketSettings
  readonly threads: ThreadSettings
  /** Of tunnels. */
  readonly tls: { readonly tls12: boolean; readonly postQuantumOnly: boolean }
  readonly crlPath: string | undefined
  readonly enableProxy: boolean
  /** A SOCKS5 listener on loopback in every pod. */
  readonly socks5: boolean
  readonly terminationDeadline: number
  readonly network: string
  readonly nodeName: string | undefined
  readonly clusterId: string
  readonly clusterDomain: string
  readonly preferredNamespace: string | undefined
  readonly xds: XdsSettings | undefined
  readonly ca: CaSettings
  readonly localConfig: { readonly path: string } | { readonly text: string } | undefined
  /** Keep up with the file, instead of reading it once. */
  readonly localConfigReload: boolean
  /** Of the data path in all; 0 for none. */
  readonly limits: { readonly connections: number; readonly streams: number; readonly bufferedBytes: number }
  readonly pool: { readonly maxStreamsPerTunnel: number; readonly unusedRelease: number }
  readonly http2: { readonly streamWindow: number; readonly connectionWindow: number; readonly maxFrameSize: number }
  readonly localhostAppTunnel: boolean
  readonly responseBaggage: boolean
  readonly self: WorkloadIdentity | undefined
  readonly trustDomain: string
  readonly node: NodeSettings
  readonly dns: DnsSettings
  readonly ports: { readonly admin: number; readonly stats: number; readonly readiness: number }
  readonly log: { readonly filter: DirectiveFilter; readonly json: boolean; readonly policiesAtInfo: boolean }
  readonly istioVersion: string
  readonly illegalPorts: ReadonlySet<number>
}

/** Facts about the machine that settings depend on. */
export interface SettingFiles {
  readonly exists: (path: string) => boolean
  /** Undefined when there is no such file. */
  readonly read: (path: string) => string | undefined
  /** CPUs this process may use. */
  readonly cpus: number
}

export const socks5Port = 15080
const tokenPath = './var/run/secrets/tokens/istio-token'
const meshPath = './etc/istio/config/mesh'

/** @throws SettingError */
export function readSettings(environment: Environment, files: SettingFiles): Settings {
  const read = createSettingReader(environment)
  const proxyConfig = readProxyConfig({
    meshFile: files.read(meshPath),
    proxyConfig: read.text('PROXY_CONFIG') || undefined,
    environment: read.withPrefix('ISTIO_META_')
  })
  const dedicated = readDedicated(read)
  const enableProxy = read.boolean('ENABLE_PROXY') ?? true
  const sockets = readSockets(read, dedicated === undefined)
  const dns = readDnsSettings(proxyConfig.metadata, {
    ipv6: sockets.ipv6,
    randomCase: read.boolean('CULVERT_DNS_RANDOM_CASE') ?? false
  })
  const onDemand = read.boolean('XDS_ON_DEMAND') ?? false
  if (onDemand && dns.addresses.length > 0) {
    throw new SettingError('XDS_ON_DEMAND=true cannot be combined with the DNS proxy; set ISTIO_META_DNS_CAPTURE=false')
  }
  if (!enableProxy && dns.addresses.length === 0) {
    throw new SettingError('ENABLE_PROXY=false and the DNS proxy is off: there is nothing to run')
  }
  const authToken = read.text('AUTH_TOKEN') ?? (files.exists(tokenPath) ? tokenPath : undefined)
  const tls12 = read.text('TLS12_ENABLED') === 'true'
  const kubernetes = read.text('KUBERNETES_SERVICE_HOST') !== undefined
  const istiod = kubernetes ? 'https://istiod.istio-system.svc:15012' : 'https://localhost:15012'
  const socks5 = read.boolean('UNSTABLE_ENABLE_SOCKS5') ?? false

  return {
    dedicated,
    zdsPath: read.text('INPOD_UDS') ?? '/var/run/ztunnel/ztunnel.sock',
    sockets,
    tls: { tls12, postQuantumOnly: read.text('COMPLIANCE_POLICY') === 'pqc' },
    crlPath: read.text('CRL_PATH') || undefined,
    threads: readThreads(read, proxyConfig.concurrency, files.cpus),
    enableProxy,
    socks5,
    terminationDeadline: readDeadline(read),
    network: read.text('NETWORK') ?? '',
    nodeName: read.text('NODE_NAME'),
    clusterId: proxyConfig.metadata.get('CLUSTER_ID') ?? read.text('CLUSTER_ID') ?? 'Kubernetes',
    clusterDomain: read.text('CLUSTER_DOMAIN') ?? 'cluster.local',
    preferredNamespace: read.text('PREFERED_SERVICE_NAMESPACE'),
    xds: readXds(read, {
      istiod,
      discoveryAddress: proxyConfig.discoveryAddress,
      token: authToken,
      onDemand,
      tls12
    }),
    ca: readCa(read, { istiod, token: authToken, tls12, shared: dedicated === undefined }),
    localConfig: readLocalConfig(read),
    localConfigReload: readReload(read),
    limits: {
      connections: read.integer('CULVERT_MAX_CONNECTIONS') ?? 0,
      streams: read.integer('CULVERT_MAX_STREAMS') ?? 0,
      bufferedBytes: read.integer('CULVERT_MAX_BUFFERED_BYTES', { max: Number.MAX_SAFE_INTEGER }) ?? 1_073_741_824
    },
    pool: {
      maxStreamsPerTunnel: read.integer('POOL_MAX_STREAMS_PER_CONNECTION', { min: 1, max: 65_535 }) ?? 100,
      unusedRelease: read.duration('POOL_UNUSED_RELEASE_TIMEOUT') ?? 300_000
    },
    http2: {
      streamWindow: read.integer('HTTP2_STREAM_WINDOW_SIZE', { min: 1, max: 0x7fff_ffff }) ?? 4_194_304,
      connectionWindow: read.integer('HTTP2_CONNECTION_WINDOW_SIZE', { min: 1, max: 0x7fff_ffff }) ?? 16_777_216,
      maxFrameSize: read.integer('HTTP2_FRAME_SIZE', { min: 16_384, max: 16_777_215 }) ?? 1_048_576
    },
    localhostAppTunnel: read.boolean('LOCALHOST_APP_TUNNEL') ?? true,
    responseBaggage: read.boolean('ENABLE_RESPONSE_BAGGAGE') ?? true,
    self: readSelf(read),
    trustDomain: read.text('TRUST_DOMAIN') ?? 'cluster.local',
    node: readNode(read, proxyConfig.metadata),
    dns,
    ports: { admin: proxyConfig.proxyAdminPort ?? 15000, stats: proxyConfig.statsPort ?? 15020, readiness: 15021 },
    log: readLog(read),
    istioVersion: read.text('ISTIO_META_ISTIO_VERSION') ?? 'unknown',
    illegalPorts: new Set([15001, 15006, 15008, ...(socks5 ? [socks5Port] : [])])
  }
}

function readDedicated(read: SettingReader): WorkloadIdentity | undefined {
  const mode = read.text('PROXY_MODE') ?? 'shared'
  if (mode === 'shared') return undefined
  if (mode !== 'dedicated') throw invalidVariable('PROXY_MODE', mode, 'expected shared or dedicated')
  const info = read.text('PROXY_WORKLOAD_INFO')
  if (info === undefined)
    throw new SettingError('PROXY_MODE=dedicated needs PROXY_WORKLOAD_INFO=namespace/name/account')
  const [, namespace, name, serviceAccount] = /^([^/]*)\/([^/]*)\/(.*)$/s.exec(info) ?? []
  if (namespace === undefined || name === undefined || serviceAccount === undefined) {
    throw invalidVariable('PROXY_WORKLOAD_INFO', info, 'expected namespace/name/service-account')
  }
  return { namespace, name, serviceAccount }
}

function readDeadline(read: SettingReader): number {
  const explicit = read.duration('CONNECTION_TERMINATION_DEADLINE')
  const grace = read.integer('TERMINATION_GRACE_PERIOD_SECONDS', { max: 2_147_483 })
  if (explicit !== undefined) return explicit
  if (grace === undefined) return 5_000
  return Math.max(1, grace > 10 ? grace - 5 : grace - 1) * 1_000
}

function readLocalConfig(read: SettingReader): Settings['localConfig'] {
  const path = read.text('LOCAL_XDS_PATH')
  const text = read.text('LOCAL_XDS')
  if (path !== undefined && text !== undefined)
    throw new SettingError('only one of LOCAL_XDS_PATH and LOCAL_XDS may be set')
  if (path !== undefined) return { path }
  return text === undefined ? undefined : { text }
}

function readReload(read: SettingReader): boolean {
  const reload = read.boolean('CULVERT_LOCAL_XDS_RELOAD') ?? false
  if (reload && read.text('LOCAL_XDS_PATH') === undefined) {
    throw new SettingError('CULVERT_LOCAL_XDS_RELOAD=true needs LOCAL_XDS_PATH, the file to follow')
  }
  return reload
}

function readSelf(read: SettingReader): WorkloadIdentity | undefined {
  const name = read.text('POD_NAME')
  const namespace = read.text('POD_NAMESPACE')
  const serviceAccount = read.text('SERVICE_ACCOUNT')
  if (name === undefined || namespace === undefined || serviceAccount === undefined) return undefined
  return { name, namespace, serviceAccount }
}

function readLog(read: SettingReader): Settings['log'] {
  const level = read.text('RUST_LOG') ?? 'info'
  let filter: DirectiveFilter
  try {
    filter = parseLogFilter(`hickory_server::server=off,${level}`)
  } catch (cause) {
    throw invalidVariable('RUST_LOG', level, (cause as Error).message)
  }
  return {
    filter,
    json: read.text('LOG_FORMAT') === 'json',
    policiesAtInfo: read.text('AUTHZ_POLICY_INFO_LOGGING') === 'true'
  }
}
