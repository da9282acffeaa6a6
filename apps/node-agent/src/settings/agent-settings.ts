import { type CaptureSettings, defaultProbeAddresses } from '@culvert/iptables'
import { type EnablementSelector, parseEnablementSelectors } from '../eligibility.ts'
import { NodeAgentError, reasonOf } from '../errors.ts'
import type { ConfigMode, InstallSettings } from '../install/index.ts'
import { parseArguments } from './arguments.ts'
import { createSettingReader, type Environment, type SettingReader } from './reader.ts'

/** Everything the agent is told from outside (docs/spec/cni.md 3.1). */
export interface AgentSettings {
  readonly ambient: boolean
  readonly nodeName: string
  readonly podNamespace: string
  /** Where ztunnel pods live. */
  readonly systemNamespace: string
  readonly selectors: readonly EnablementSelector[]
  readonly excludeNamespaces: readonly string[]
  readonly runDir: string
  readonly zdsPath: string
  /** Not above 0: no metrics server. */
  readonly monitoringPort: number
  readonly healthPort: number
  /** Where the host's files are mounted. */
  readonly hostRoot: string
  readonly switchToHostNetns: boolean
  readonly capture: CaptureSettings
  readonly reconcileOnStartup: boolean
  readonly nativeNftables: boolean
  readonly forcedIptables: 'legacy' | 'nft' | undefined
  readonly safeUpgradeDisabled: boolean
  readonly install: InstallSettings
  readonly logOutputLevel: string
  readonly logAsJson: boolean
  readonly ignoredFlags: readonly string[]
}

const settingFlags = [
  'ambient-enabled',
  'chained-cni-plugin',
  'cni-agent-run-dir',
  'cni-conf-group-read',
  'cni-conf-name',
  'cni-network-config',
  'cni-network-config-file',
  'enable-ambient-detection-retry',
  'istio-owned-cni-config',
  'istio-owned-cni-config-filename',
  'kube-ca-file',
  'kubeconfig-mode',
  'kubernetes-node-name',
  'log-level',
  'monitoring-port',
  'mounted-cni-net-dir',
  'repair-broken-pod-label-key',
  'repair-broken-pod-label-value',
  'repair-delete-pods',
  'repair-enabled',
  'repair-field-selectors',
  'repair-init-container-exit-code',
  'repair-init-container-name',
  'repair-init-container-termination-message',
  'repair-label-pods',
  'repair-label-selectors',
  'repair-node-name',
  'repair-sidecar-annotation',
  'skip-tls-verify',
  'ztunnel-uds-address'
]

export interface Defaults {
  /** The plugin's executable, or a folder of executables, to install unless told otherwise. */
  readonly binaries: string
}

/** @throws NodeAgentError naming the setting, its value and what would be right. */
export function readSettings(argv: readonly string[], environment: Environment, defaults: Defaults): AgentSettings {
  const { flags, ignored } = parseArguments(argv, settingFlags)
  const read = createSettingReader(environment, flags)
  const shared = {
    ambient: read.boolean('AMBIENT_ENABLED'),
    podNamespace: read.text('POD_NAMESPACE'),
    selectors: selectors(read),
    excludeNamespaces: read.list('EXCLUDE_NAMESPACES'),
    runDir: read.text('CNI_AGENT_RUN_DIR', '/var/run/istio-cni'),
    nativeNftables: read.boolean('NATIVE_NFTABLES')
  }
  const forcedIptables = forced(read)
  return {
    ...shared,
    nodeName: read.text('NODE_NAME'),
    systemNamespace: read.text('SYSTEM_NAMESPACE', 'istio-system'),
    zdsPath: read.text('ZTUNNEL_UDS_ADDRESS', '/var/run/ztunnel/ztunnel.sock'),
    monitoringPort: read.integer('MONITORING_PORT', 15014),
    healthPort: 8000,
    hostRoot: '/host',
    switchToHostNetns: read.boolean('ALLOW_SWITCH_TO_HOST_NS'),
    capture: {
      dnsCapture: read.boolean('AMBIENT_DNS_CAPTURE'),
      ipv6: read.boolean('AMBIENT_IPV6'),
      probe: {
        ipv4: read.address('HOST_PROBE_SNAT_IP', 'ipv4', defaultProbeAddresses.ipv4),
        ipv6: read.address('HOST_PROBE_SNAT_IPV6', 'ipv6', defaultProbeAddresses.ipv6)
      }
    },
    reconcileOnStartup: read.boolean('AMBIENT_RECONCILE_POD_RULES_ON_STARTUP'),
    forcedIptables,
    safeUpgradeDisabled: read.boolean('AMBIENT_DISABLE_SAFE_UPGRADE'),
    install: installSettings(read, shared, defaults),
    logOutputLevel: flags.get('log_output_level') ?? 'default:info',
    logAsJson: flags.get('log_as_json') === 'true',
    ignoredFlags: ignored
  }
}

type Shared = Pick<
  AgentSettings,
  'ambient' | 'podNamespace' | 'selectors' | 'excludeNamespaces' | 'runDir' | 'nativeNftables'
>

function installSettings(read: SettingReader, shared: Shared, defaults: Defaults): InstallSettings {
  return {
    binariesDir: read.text('CULVERT_CNI_BINARIES', defaults.binaries),
    targetDirs: ['/host/opt/cni/bin'],
    configDir: read.text('MOUNTED_CNI_NET_DIR', '/host/etc/cni/net.d'),
    mode: configMode(read, shared.ambient),
    confName: read.text('CNI_CONF_NAME'),
    ownConfigSetting: read.boolean('ISTIO_OWNED_CNI_CONFIG'),
    confGroupRead: read.boolean('CNI_CONF_GROUP_READ'),
    plugin: {
      // Replaced by the level of log scope cni-plugin once the filter is known.
      logLevel: 'info',
      agentRunDir: shared.runDir,
      ambientEnabled: shared.ambient,
      enablementSelectors: shared.selectors,
      excludeNamespaces: shared.excludeNamespaces,
      podNamespace: shared.podNamespace,
      nativeNftables: shared.nativeNftables,
      ambientDetectionRetry: read.boolean('ENABLE_AMBIENT_DETECTION_RETRY')
    },
    kubeconfig: {
      path: `${shared.runDir}/istio-cni-kubeconfig`,
      mode: read.fileMode('KUBECONFIG_MODE', 0o600),
      protocol: read.text('KUBERNETES_SERVICE_PROTOCOL') || 'https',
      host: required(read, 'KUBERNETES_SERVICE_HOST'),
      port: required(read, 'KUBERNETES_SERVICE_PORT'),
      caFile: read.text('KUBE_CA_FILE'),
      skipTlsVerify: read.boolean('SKIP_TLS_VERIFY')
    },
    serviceAccountDir: '/var/run/secrets/kubernetes.io/serviceaccount'
  }
}

function configMode(read: SettingReader, ambient: boolean): ConfigMode {
  if (!read.boolean('CHAINED_CNI_PLUGIN', true)) return { kind: 'standalone' }
  if (!read.boolean('ISTIO_OWNED_CNI_CONFIG') || !ambient) return { kind: 'chained' }
  return { kind: 'own', fileName: read.text('ISTIO_OWNED_CNI_CONFIG_FILENAME') || '02-istio-cni.conflist' }
}

function selectors(read: SettingReader): readonly EnablementSelector[] {
  const name = 'AMBIENT_ENABLEMENT_SELECTOR'
  try {
    return parseEnablementSelectors(read.text(name))
  } catch (error) {
    throw new NodeAgentError('AGENT_SETTING', `${name} cannot be used: ${reasonOf(error)}`, { cause: error })
  }
}

function forced(read: SettingReader): 'legacy' | 'nft' | undefined {
  const value = read.text('FORCE_IPTABLES_BINARY')
  if (value === '') return undefined
  if (value === 'legacy' || value === 'nft') return value
  throw new NodeAgentError('AGENT_SETTING', `FORCE_IPTABLES_BINARY=${JSON.stringify(value)} is not legacy or nft`)
}

function required(read: SettingReader, name: string): string {
  const value = read.text(name)
  if (value === '') throw new NodeAgentError('AGENT_SETTING', `${name} is not set: the agent runs in a Kubernetes pod`)
  return value
}
