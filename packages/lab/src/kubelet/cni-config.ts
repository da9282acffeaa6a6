import { LabError, reasonOf } from '../errors.ts'

/** A network configuration list, as far as whoever runs it must understand it. */
export interface CniConfig {
  readonly cniVersion: string
  readonly name: string
  readonly plugins: readonly CniPluginConfig[]
  /** File name, for messages. */
  readonly source: string
}

export interface CniPluginConfig {
  readonly type: string
  readonly capabilities?: Readonly<Record<string, boolean>>
  readonly [key: string]: unknown
}

/** Container runtimes load these names and no others, first in byte order. */
export function chooseConfigFile(fileNames: readonly string[]): string | undefined {
  return fileNames
    .filter(name => /\.(conf|conflist|json)$/.test(name))
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))[0]
}

/** Reads a list or, wrapped into a list of one, a single plugin's configuration. */
export function parseCniConfig(text: string, source: string): CniConfig {
  const bad = (problem: string, cause?: unknown): LabError =>
    new LabError('LAB_CNI', `network configuration ${source}: ${problem}`, cause === undefined ? {} : { cause })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw bad(`not JSON: ${reasonOf(error)}`, error)
  }
  if (!isRecord(value)) throw bad('not a JSON object')
  const { name, cniVersion = '0.1.0' } = value
  if (typeof name !== 'string' || name === '') throw bad('its name is missing')
  if (typeof cniVersion !== 'string') throw bad('its cniVersion is not a string')
  const plugins = source.endsWith('.conflist') ? value.plugins : [value]
  if (!Array.isArray(plugins) || plugins.length === 0) throw bad('its plugins are missing')
  for (const plugin of plugins) {
    if (!isRecord(plugin) || typeof plugin.type !== 'string' || plugin.type === '') throw bad('a plugin has no type')
    if (plugin.type.includes('/')) throw bad(`plugin type '${plugin.type}' must be a file name without '/'`)
  }
  return { name, cniVersion, plugins: plugins as CniPluginConfig[], source }
}

/** What one plugin gets on its standard input: its own configuration with the list's name, version and the result so far. */
export function pluginInput(config: CniConfig, plugin: CniPluginConfig, prevResult: unknown): string {
  const { capabilities: _, ...own } = plugin
  return JSON.stringify({
    ...own,
    name: config.name,
    cniVersion: config.cniVersion,
    ...(prevResult === undefined ? {} : { prevResult })
  })
}

export interface CniCall {
  readonly command: 'ADD' | 'DEL'
  readonly containerId: string
  /** The node's path of the namespace file. */
  readonly netns: string
  readonly pod: { readonly namespace: string; readonly name: string; readonly uid: string }
  readonly path: readonly string[]
}

/** The variables of a call, as container runtimes set them for a kubelet's pods. */
export function cniEnvironment(call: CniCall): Record<string, string> {
  const { namespace, name, uid } = call.pod
  const args = [
    'IgnoreUnknown=1',
    `K8S_POD_NAMESPACE=${namespace}`,
    `K8S_POD_NAME=${name}`,
    `K8S_POD_INFRA_CONTAINER_ID=${call.containerId}`,
    `K8S_POD_UID=${uid}`
  ]
  return {
    CNI_COMMAND: call.command,
    CNI_CONTAINERID: call.containerId,
    CNI_NETNS: call.netns,
    CNI_IFNAME: 'eth0',
    CNI_ARGS: args.join(';'),
    CNI_PATH: call.path.join(':')
  }
}

/** The addresses of a result; the pod's first one is its `podIP`. */
export function resultAddresses(result: unknown): string[] {
  if (!isRecord(result) || !Array.isArray(result.ips)) return []
  return result.ips.flatMap(entry => {
    const address: unknown = isRecord(entry) ? entry.address : undefined
    return typeof address === 'string' ? [address.split('/', 1)[0]!] : []
  })
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
