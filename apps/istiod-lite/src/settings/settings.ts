import { cpus } from 'node:os'
import { parseTrustedAccounts } from '@culvert/certificates'
import { IstiodError } from '../errors.ts'
import type { Arguments } from './arguments.ts'
import { parseGoDuration } from './go-duration.ts'
import type { MeshConfig } from './mesh-config.ts'

/** Wraps process.env in main; a Map in tests. */
export interface Environment {
  get: (name: string) => string | undefined
}

export interface Settings {
  readonly podName: string
  readonly namespace: string
  readonly clusterId: string
  readonly revision: string
  readonly trustDomain: string
  readonly rootNamespace: string
  readonly domain: string
  readonly ambient: boolean
  readonly ambientStatus: boolean
  readonly dryRunPolicies: boolean
  readonly waypointPolicies: boolean
  readonly debounce: { readonly quietMs: number; readonly longestMs: number }
  readonly pushesAtOnce: number
  readonly connectionsPerSecond: number
  readonly authority: {
    readonly enabled: boolean
    readonly directory: string
    readonly trustedNodeAccounts: ReadonlySet<string>
    readonly defaultTtlSeconds: number
    readonly maxTtlSeconds: number
    readonly rootTtlSeconds: number
    readonly rotationCheckSeconds: number
    readonly rotationGracePercent: number
    readonly rotationJitter: boolean
    /** A plugged-in root bundle may grow or shrink while running. */
    readonly multiRoot: boolean
    readonly rootConfigMap: string
    /** Undefined: not published. */
    readonly crlConfigMap: string | undefined
  }
  readonly tokenAudiences: readonly string[]
  readonly servingHosts: readonly string[]
  readonly metricsLocalOnly: boolean
  readonly debugOnHttp: boolean
  readonly debugAuth: boolean
  readonly debugNamespaces: ReadonlySet<string>
  readonly arguments: Arguments
}

const bad = (name: string, value: string, right: string): IstiodError =>
  new IstiodError('ISTIOD_SETTING', `${name}=${JSON.stringify(value)}: ${right}`)

/** Everything the program is told, read once. A bad value is reported by name. */
export function readSettings(env: Environment, args: Arguments, mesh: MeshConfig): Settings {
  const text = (name: string, fallback: string): string => env.get(name) || fallback
  const boolean = (name: string, fallback: boolean): boolean => {
    const value = env.get(name)
    if (value === undefined || value === '') return fallback
    if (/^(1|t|true)$/i.test(value)) return true
    if (/^(0|f|false)$/i.test(value)) return false
    throw bad(name, value, 'should be true or false')
  }
  const seconds = (name: string, fallback: string): number => {
    const value = text(name, fallback)
    const parsed = parseGoDuration(value)
    if (parsed === undefined) throw bad(name, value, 'should be a duration like 24h or 1h30m')
    return parsed
  }
  const count = (name: string, fallback: number, least: number): number => {
    const value = text(name, String(fallback))
    if (!/^\d+$/.test(value) || Number(value) < least) throw bad(name, value, `should be a number from ${least}`)
    return Number(value)
  }
  const list = (name: string, fallback: string): string[] =>
    text(name, fallback)
      .split(',')
      .map(part => part.trim())
      .filter(part => part !== '')

  const namespace = text('POD_NAMESPACE', 'istio-system')
  const ambient = boolean('PILOT_ENABLE_AMBIENT', false)
  const byCores = Math.min(15 + 5 * cpus().length, 100)
  const discoveryHost = mesh.discoveryAddress?.replace(/:\d+$/, '')
  return {
    podName: text('POD_NAME', 'istiod'),
    namespace,
    clusterId: text('CLUSTER_ID', 'Kubernetes'),
    revision: text('REVISION', ''),
    trustDomain: mesh.trustDomain,
    rootNamespace: mesh.rootNamespace ?? namespace,
    domain: args.domain,
    ambient,
    ambientStatus: boolean('AMBIENT_ENABLE_STATUS', ambient),
    dryRunPolicies: boolean('AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY', false),
    waypointPolicies: boolean('PILOT_AUTO_ALLOW_WAYPOINT_POLICY', false),
    debounce: {
      quietMs: seconds('PILOT_DEBOUNCE_AFTER', '100ms') * 1000,
      longestMs: seconds('PILOT_DEBOUNCE_MAX', '10s') * 1000
    },
    pushesAtOnce: count('PILOT_PUSH_THROTTLE', byCores, 0) || byCores,
    connectionsPerSecond: byCores,
    authority: {
      enabled: boolean('ENABLE_CA_SERVER', true),
      directory: text('ROOT_CA_DIR', './etc/cacerts'),
      trustedNodeAccounts: parseTrustedAccounts(text('CA_TRUSTED_NODE_ACCOUNTS', '')),
      defaultTtlSeconds: seconds('DEFAULT_WORKLOAD_CERT_TTL', '24h'),
      maxTtlSeconds: seconds('MAX_WORKLOAD_CERT_TTL', '2160h'),
      rootTtlSeconds: seconds('CITADEL_SELF_SIGNED_CA_CERT_TTL', '87600h'),
      rotationCheckSeconds: seconds('CITADEL_SELF_SIGNED_ROOT_CERT_CHECK_INTERVAL', '1h'),
      rotationGracePercent: count('CITADEL_SELF_SIGNED_ROOT_CERT_GRACE_PERIOD_PERCENTILE', 20, 0),
      rotationJitter: boolean('CITADEL_ENABLE_JITTER_FOR_ROOT_CERT_ROTATOR', true),
      multiRoot: boolean('ISTIO_MULTIROOT_MESH', false),
      rootConfigMap: text('PILOT_CA_CERT_CONFIGMAP', 'istio-ca-root-cert'),
      crlConfigMap: boolean('PILOT_ENABLE_CA_CRL', true) ? text('PILOT_CRL_CONFIGMAP', 'istio-ca-crl') : undefined
    },
    tokenAudiences: list('TOKEN_AUDIENCES', 'istio-ca'),
    servingHosts: [...(discoveryHost === undefined ? [] : [discoveryHost]), ...list('ISTIOD_CUSTOM_HOST', '')],
    metricsLocalOnly: boolean('METRICS_LOCALHOST_ACCESS_ONLY', false),
    debugOnHttp: boolean('ENABLE_DEBUG_ON_HTTP', true),
    debugAuth: boolean('ENABLE_DEBUG_ENDPOINT_AUTH', true),
    debugNamespaces: new Set(list('DEBUG_ENDPOINT_AUTH_ALLOWED_NAMESPACES', '')),
    arguments: args
  }
}
