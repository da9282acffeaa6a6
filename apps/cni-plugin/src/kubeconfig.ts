import fs from 'node:fs'
import path from 'node:path'
import { reasonOf } from './cni-error.ts'

/** How to reach and address the API server. PEM texts; undefined: not configured. */
export interface ApiServer {
  readonly url: URL
  readonly ca: string | undefined
  readonly insecure: boolean
  readonly serverName: string | undefined
  readonly token: string | undefined
  readonly certificate: string | undefined
  readonly key: string | undefined
}

/** Reads a kubeconfig as `kubectl` does, as far as a service account needs it. Relative paths are beside the file. */
export async function readKubeconfig(file: string): Promise<ApiServer> {
  const config = await parseFile(file)
  const named = (list: string, name: unknown): Record<string, unknown> => {
    const entries = config[list]
    const entry = Array.isArray(entries) ? entries.find(item => item?.name === name) : undefined
    const body = entry?.[list.slice(0, -1)]
    if (typeof body !== 'object' || body === null)
      throw new Error(`${file} has no entry ${JSON.stringify(name)} in ${list}`)
    return body
  }
  const context = named('contexts', config['current-context'])
  const cluster = named('clusters', context.cluster)
  const user = named('users', context.user)
  const text = (object: Record<string, unknown>, key: string): string | undefined => {
    const value = object[key]
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  /** Either `key-data` in base64 or `key` naming a file. */
  const pem = (object: Record<string, unknown>, key: string): string | undefined => {
    const data = text(object, `${key}-data`)
    if (data !== undefined) return Buffer.from(data, 'base64').toString()
    const name = text(object, key)
    return name === undefined ? undefined : fs.readFileSync(path.resolve(path.dirname(file), name), 'utf8')
  }
  const server = text(cluster, 'server') ?? ''
  if (!URL.canParse(server) || !/^https?:$/.test(new URL(server).protocol)) {
    throw new Error(`${file}: server is ${JSON.stringify(server)}, want an https URL`)
  }
  const tokenFile = text(user, 'tokenFile')
  return {
    url: new URL(server),
    ca: pem(cluster, 'certificate-authority'),
    insecure: cluster['insecure-skip-tls-verify'] === true,
    serverName: text(cluster, 'tls-server-name'),
    token: (tokenFile
      ? fs.readFileSync(path.resolve(path.dirname(file), tokenFile), 'utf8')
      : text(user, 'token')
    )?.trim(),
    certificate: pem(user, 'client-certificate'),
    key: pem(user, 'client-key')
  }
}

async function parseFile(file: string): Promise<Record<string, unknown>> {
  const content = fs.readFileSync(file, 'utf8')
  let config: unknown
  try {
    config = parseJson(content) ?? (await import('yaml')).parse(content)
  } catch (error) {
    throw new Error(`${file} is not YAML: ${reasonOf(error)}`, { cause: error })
  }
  if (typeof config !== 'object' || config === null) throw new Error(`${file} is not a kubeconfig`)
  return config as Record<string, unknown>
}

/** Our node agent writes JSON, which is YAML: loading and running the YAML parser costs a third of a start. */
function parseJson(content: string): unknown {
  try {
    return JSON.parse(content)
  } catch {
    return undefined
  }
}
