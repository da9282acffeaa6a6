import { createRequire } from 'node:module'
import { SettingError } from './errors.ts'
import { concurrencyOf } from './thread-settings.ts'

/** What the mesh file and PROXY_CONFIG may say (docs/spec/zds.md 5.2). */
export interface ProxyConfig {
  readonly discoveryAddress?: string
  readonly proxyAdminPort?: number
  readonly statsPort?: number
  /** Data threads; 0: as many as CPUs. */
  readonly concurrency?: number
  /** Keys without `ISTIO_META_`. */
  readonly metadata: ReadonlyMap<string, string>
}

export interface ProxyConfigSources {
  /** Text of `./etc/istio/config/mesh`, undefined when there is none. */
  readonly meshFile: string | undefined
  readonly proxyConfig: string | undefined
  /** `ISTIO_META_*`, without the prefix. */
  readonly environment: ReadonlyMap<string, string>
}

const metadataPrefix = 'ISTIO_META_'

/** Later sources win, maps are merged, the environment overrides. */
export function readProxyConfig({ meshFile, proxyConfig, environment }: ProxyConfigSources): ProxyConfig {
  const mesh = meshFile === undefined ? undefined : objectOf(read(meshFile, 'mesh configuration'))?.defaultConfig
  const layers = [
    readLayer(mesh, 'defaultConfig of the mesh configuration'),
    readLayer(proxyConfig === undefined ? undefined : read(proxyConfig, 'PROXY_CONFIG'), 'PROXY_CONFIG')
  ]
  const metadata = new Map(layers.flatMap(layer => [...layer.metadata]))
  const merged = Object.assign({}, ...layers) as ProxyConfig
  return { ...merged, metadata: new Map([...metadata, ...environment]) }
}

function readLayer(value: unknown, source: string): ProxyConfig {
  if (value === undefined || value === null) return { metadata: new Map() }
  const object = objectOf(value)
  const metadata = objectOf(object?.proxyMetadata)
  if (object === undefined || metadata === undefined) {
    throw new SettingError(`${source} must be a map that has proxyMetadata, a map of strings`)
  }
  const { discoveryAddress, proxyAdminPort, statsPort, concurrency } = object
  return {
    ...(discoveryAddress === undefined ? {} : { discoveryAddress: String(discoveryAddress) }),
    ...(proxyAdminPort === undefined ? {} : { proxyAdminPort: port(proxyAdminPort, `proxyAdminPort of ${source}`) }),
    ...(statsPort === undefined ? {} : { statsPort: port(statsPort, `statsPort of ${source}`) }),
    ...(concurrency === undefined ? {} : { concurrency: concurrencyOf(concurrency, source) }),
    metadata: new Map(
      Object.entries(metadata).map(([key, text]) => [
        key.startsWith(metadataPrefix) ? key.slice(metadataPrefix.length) : key,
        String(text)
      ])
    )
  }
}

function read(text: string, source: string): unknown {
  // Most proxies have none, and the parser costs 3 MB.
  const { parse } = createRequire(import.meta.url)('yaml') as typeof import('yaml')
  try {
    return parse(text)
  } catch (cause) {
    throw new SettingError(`${source} is no YAML: ${(cause as Error).message}`, { cause })
  }
}

function port(value: unknown, name: string): number {
  if (Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 65_535) return Number(value)
  throw new SettingError(`${name} is ${JSON.stringify(value)}, expected a port number`)
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined
}
