import type { RequestOptions } from 'node:https'

/**
 * What a client needs to know of a cluster. The library's `KubeConfig` is one; so is `inClusterAccess()`, which a pod
 * uses to start without the 300 ms that importing the library takes.
 */
export interface ClusterAccess {
  getCurrentCluster(): { readonly server: string; readonly proxyUrl?: string } | null
  /** Adds credentials, trust roots and the authorization header, fresh for each request. */
  applyToHTTPSOptions(options: RequestOptions): Promise<void>
}
