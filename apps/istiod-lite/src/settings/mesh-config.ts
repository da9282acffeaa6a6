import { readFileSync } from 'node:fs'
import { IstiodError } from '../errors.ts'

export interface MeshConfig {
  readonly trustDomain: string
  readonly rootNamespace: string | undefined
  /** Host and port that proxies are told. */
  readonly discoveryAddress: string | undefined
}

export const defaultMeshConfig: MeshConfig = {
  trustDomain: 'cluster.local',
  rootNamespace: undefined,
  discoveryAddress: undefined
}

const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/** Each dot-separated label a DNS-1123 label; one trailing dot is allowed (docs/spec/identity-ca.md 1.2). */
function isTrustDomain(text: string): boolean {
  return text
    .replace(/\.$/, '')
    .split('.')
    .every(part => label.test(part))
}

function textOf(config: Record<string, unknown>, key: string, origin: string): string | undefined {
  const value = config[key]
  if (value === undefined || value === null || value === '') return undefined
  if (typeof value !== 'string') {
    throw new IstiodError('ISTIOD_SETTING', `${origin}: ${key} is ${JSON.stringify(value)}, should be text`)
  }
  return value
}

/** The keys of the mesh configuration that this control plane uses. */
export async function parseMeshConfig(text: string, origin: string): Promise<MeshConfig> {
  const { parse } = await import('yaml')
  let parsed: unknown
  try {
    parsed = parse(text) ?? {}
  } catch (error) {
    throw new IstiodError('ISTIOD_SETTING', `${origin} is not YAML: ${(error as Error).message.split('\n', 1)[0]}`, {
      cause: error
    })
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new IstiodError('ISTIOD_SETTING', `${origin} should be a mapping like "trustDomain: cluster.local"`)
  }
  const config = parsed as Record<string, unknown>
  const trustDomain = textOf(config, 'trustDomain', origin) ?? defaultMeshConfig.trustDomain
  if (!isTrustDomain(trustDomain.replaceAll('@', '.'))) {
    throw new IstiodError(
      'ISTIOD_SETTING',
      `${origin}: trustDomain ${JSON.stringify(trustDomain)} should be DNS labels joined by dots`
    )
  }
  const proxy = (config.defaultConfig ?? {}) as Record<string, unknown>
  return {
    trustDomain,
    rootNamespace: textOf(config, 'rootNamespace', origin),
    discoveryAddress: textOf(proxy, 'discoveryAddress', origin)
  }
}

/** The file is optional; one that is there must be readable. */
export async function readMeshConfig(file: string): Promise<MeshConfig> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return defaultMeshConfig
    throw new IstiodError('ISTIOD_SETTING', `cannot read mesh config ${file}: ${(error as Error).message}`, {
      cause: error
    })
  }
  return parseMeshConfig(text, `mesh config ${file}`)
}
