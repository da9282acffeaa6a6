/** CNI configuration texts as values (docs/spec/cni.md 3.3, 3.4): no file is touched here. */

export const pluginType = 'istio-cni'

type Json = Record<string, unknown>

/** What the plugin needs to know, written into its entry. */
export interface PluginSettings {
  readonly logLevel: string
  readonly agentRunDir: string
  readonly ambientEnabled: boolean
  readonly enablementSelectors: readonly unknown[]
  readonly excludeNamespaces: readonly string[]
  readonly podNamespace: string
  readonly nativeNftables: boolean
  readonly ambientDetectionRetry: boolean
}

/** The entry that is chained into another plugin's list. */
function pluginEntry(settings: PluginSettings): Json {
  const { excludeNamespaces } = settings
  return {
    type: pluginType,
    name: pluginType,
    ipam: {},
    dns: {},
    plugin_log_level: settings.logLevel,
    cni_agent_run_dir: settings.agentRunDir,
    ambient_enabled: settings.ambientEnabled,
    enablement_selectors: settings.enablementSelectors,
    exclude_namespaces: excludeNamespaces.length === 0 ? null : excludeNamespaces,
    pod_namespace: settings.podNamespace,
    native_nftables: settings.nativeNftables,
    enable_ambient_detection_retry: settings.ambientDetectionRetry
  }
}

/** The whole file of standalone mode, in the order of 3.4. */
export function standaloneConfig(settings: PluginSettings): string {
  const { type, name, ...rest } = pluginEntry(settings)
  return `${JSON.stringify({ cniVersion: '0.3.1', name, type, ...rest }, null, 2)}\n`
}

/**
 * `source` with our entry last: a list loses its first entry of our type, a single plugin becomes a list.
 * @throws Error naming what is wrong with the source.
 */
export function insertPlugin(source: string, settings: PluginSettings): string {
  const config = parseObject(source)
  const entry = pluginEntry(settings)
  if (config.type !== undefined) {
    const { cniVersion: _, ...plugin } = config
    return serialize({ name: 'k8s-pod-network', cniVersion: '0.3.1', plugins: [plugin, entry] })
  }
  if (!Array.isArray(config.plugins)) throw new Error("it has neither a 'type' nor an array 'plugins'")
  return serialize({ ...config, plugins: [...withoutPlugin(config.plugins), entry] })
}

/** The list without its first entry of our type. */
export function removePlugin(source: string): string {
  const config = parseObject(source)
  if (!Array.isArray(config.plugins)) throw new Error("it has no array 'plugins'")
  return serialize({ ...config, plugins: withoutPlugin(config.plugins) })
}

/** The `type` of each entry of `plugins`; undefined unless it is an array of objects with string types. */
export function pluginTypes(source: string): readonly string[] | undefined {
  const config = tryParse(source)
  if (!Array.isArray(config?.plugins)) return undefined
  const types = config.plugins.map((plugin: unknown) => (isObject(plugin) ? plugin.type : undefined))
  return types.every(type => typeof type === 'string') ? types : undefined
}

export function topLevelType(source: string): unknown {
  return tryParse(source)?.type
}

/** Whether a file of this name and content counts as CNI configuration at all. */
export function isNetworkConfig(name: string, source: string): boolean {
  const config = tryParse(source)
  if (config === undefined) return false
  if (name.endsWith('.conf')) return typeof config.type === 'string' && config.type !== ''
  if (!name.endsWith('.conflist')) return false
  const types = pluginTypes(source)
  return typeof config.name === 'string' && types !== undefined && types.length > 0
}

function withoutPlugin(plugins: readonly unknown[]): unknown[] {
  const at = plugins.findIndex(plugin => isObject(plugin) && plugin.type === pluginType)
  return plugins.filter((_, index) => index !== at)
}

function parseObject(source: string): Json {
  const config: unknown = JSON.parse(source)
  if (!isObject(config)) throw new Error('it is no JSON object')
  return config
}

function tryParse(source: string): Json | undefined {
  try {
    return parseObject(source)
  } catch {
    return undefined
  }
}

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Sorted keys at every level, two spaces, a newline at the end. */
const serialize = (value: Json): string => `${JSON.stringify(sorted(value), null, 2)}\n`

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map(key => [key, sorted(value[key])])
  )
}
