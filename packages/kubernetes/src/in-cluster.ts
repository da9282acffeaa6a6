import { readFile } from 'node:fs/promises'
import { isIPv6 } from 'node:net'
import type { ClusterAccess } from './cluster-access.ts'
import { KubernetesError } from './errors.ts'

export interface InClusterOptions {
  /** `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT` of the pod. */
  readonly host: string
  readonly port: string | number
  /** Folder holding `token` and `ca.crt`. */
  readonly directory: string
}

export const serviceAccountDirectory = '/var/run/secrets/kubernetes.io/serviceaccount'

async function readMounted(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new KubernetesError('KUBERNETES_CONFIG', `cannot read the ${what} ${file}: ${(error as Error).message}`, {
      cause: error
    })
  }
}

/**
 * A pod's own access to its API server. Token and roots are read anew for every request: the kubelet replaces both while
 * the pod runs, and two small reads from tmpfs cost less than any clever cache would risk.
 */
export function inClusterAccess({ host, port, directory }: InClusterOptions): ClusterAccess {
  const server = `https://${isIPv6(host) ? `[${host}]` : host}:${port}`
  return {
    getCurrentCluster: () => ({ server }),
    async applyToHTTPSOptions(options) {
      const [token, ca] = await Promise.all([
        readMounted(`${directory}/token`, 'service-account token'),
        readMounted(`${directory}/ca.crt`, 'trust root of the API server')
      ])
      options.ca = ca
      options.headers = { ...options.headers, Authorization: `Bearer ${token.trim()}` }
    }
  }
}
