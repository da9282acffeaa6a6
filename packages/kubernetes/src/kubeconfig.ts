import { existsSync, readFileSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import type { KubeConfig } from '@kubernetes/client-node'
import type { ClusterAccess } from './cluster-access.ts'
import { KubernetesError } from './errors.ts'
import { inClusterAccess, serviceAccountDirectory } from './in-cluster.ts'

const configError = (message: string, cause?: unknown): KubernetesError =>
  new KubernetesError('KUBERNETES_CONFIG', message, cause === undefined ? {} : { cause })

const reason = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? ''

interface RawKubeConfig {
  'current-context'?: unknown
  clusters?: unknown
  contexts?: unknown
  users?: { name?: string; user?: { tokenFile?: string } }[]
}

/** What the library accepts in silence and only fails on at the first request. */
function check(config: KubeConfig, origin: string): void {
  const context = config.getCurrentContext()
  if (!context) throw configError(`${origin}: no current-context is set`)
  const chosen = config.getContextObject(context)
  if (!chosen) {
    const names = config.getContexts().map(({ name }) => name)
    throw configError(
      `${origin}: current-context "${context}" is not among its contexts (${names.join(', ') || 'none'})`
    )
  }
  const cluster = config.getCluster(chosen.cluster)
  if (!cluster)
    throw configError(`${origin}: context "${context}" names cluster "${chosen.cluster}", which is not there`)
  if (!URL.canParse(cluster.server)) {
    throw configError(`${origin}: server "${cluster.server}" of cluster "${cluster.name}" is not a URL`)
  }
  const user = config.getUser(chosen.user)
  if (!user) throw configError(`${origin}: context "${context}" names user "${chosen.user}", which is not there`)
  for (const file of [cluster.caFile, user.certFile, user.keyFile]) {
    if (!file) continue
    try {
      readFileSync(file)
    } catch (error) {
      throw configError(`${origin} refers to a file that cannot be read: ${reason(error)}`, error)
    }
  }
}

/** The library knows `token-file`; kubectl's own key, which istio-cni's kubeconfig also may carry, is `tokenFile`. */
function useTokenFiles(config: KubeConfig, raw: RawKubeConfig, directory: string | undefined): void {
  config.users = config.users.map(user => {
    const named = raw.users?.find(entry => entry.name === user.name)?.user?.tokenFile
    if (named === undefined || user.token !== undefined) return user
    const tokenFile = directory === undefined || isAbsolute(named) ? named : join(directory, named)
    return { ...user, authProvider: { name: 'tokenFile', config: { tokenFile } } }
  })
}

async function parse(text: string, origin: string, directory?: string): Promise<KubeConfig> {
  const { KubeConfig, loadYaml } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  let raw: unknown
  try {
    raw = loadYaml(text)
  } catch (error) {
    throw configError(`${origin} is not YAML: ${reason(error)}`, error)
  }
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    throw configError(`${origin} is not a kubeconfig: expected a mapping with clusters, users and contexts`)
  }
  try {
    config.loadFromString(text)
    if (directory !== undefined) config.makePathsAbsolute(directory)
    useTokenFiles(config, raw as RawKubeConfig, directory)
  } catch (error) {
    throw configError(`${origin} is not a usable kubeconfig: ${reason(error)}`, error)
  }
  check(config, origin)
  return config
}

/** Loads and checks a kubeconfig file; a fault gives a message that names the file and the reason. */
export async function loadKubeConfig(file: string): Promise<KubeConfig> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw configError(`cannot read kubeconfig ${file}: ${reason(error)}`, error)
  }
  return parse(text, `kubeconfig ${file}`, dirname(file))
}

export function kubeConfigFromText(text: string, origin: string = 'kubeconfig text'): Promise<KubeConfig> {
  return parse(text, origin)
}

/** Which cluster a program talks to: the file given, else `KUBECONFIG`, else the pod's own cluster. */
export async function loadClusterAccess(
  settings: { get: (name: string) => string | undefined },
  options: { kubeconfig?: string | undefined; serviceAccountDirectory?: string | undefined } = {}
): Promise<ClusterAccess> {
  const file = options.kubeconfig || settings.get('KUBECONFIG')
  if (file) return loadKubeConfig(file)
  const host = settings.get('KUBERNETES_SERVICE_HOST')
  const port = settings.get('KUBERNETES_SERVICE_PORT')
  const directory = options.serviceAccountDirectory ?? serviceAccountDirectory
  if (!host || !port) {
    throw configError(
      'no cluster to talk to: set KUBECONFIG to a file, or run in a pod (KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set)'
    )
  }
  if (!existsSync(`${directory}/token`)) {
    throw configError(`no cluster to talk to: KUBECONFIG is not set and there is no token at ${directory}/token`)
  }
  return inClusterAccess({ host, port, directory })
}
