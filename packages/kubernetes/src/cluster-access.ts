import type { RequestOptions } from 'node:https'

/**
 * What a client needs to know of a cluster. The library's `KubeConfig` is one; in a pod `loadClusterAccess` makes
 * another, without the 300 ms that importing the library takes.
 */
export interface ClusterAccess {
  getCurrentCluster(): { readonly server: string; readonly proxyUrl?: string } | null
  /** Adds credentials, trust roots and the authorization header, fresh for each request. */
  applyToHTTPSOptions(options: RequestOptions): Promise<void>
}
