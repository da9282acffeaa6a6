import type { Cluster } from './cluster-state.ts'
import type { Fields, KubeObject, ObjectMeta } from './objects.ts'

const systemNamespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease']

/** What is there before the first request. */
export function bootstrap({ operations, registry }: Cluster, _crds: readonly Fields[]): void {
  const put = (version: string, plural: string, object: Fields): void => {
    const definition = registry.find('', version, plural)!
    operations.create(definition, { apiVersion: version, kind: definition.kind, ...object } as KubeObject)
  }
  for (const name of systemNamespaces) put('v1', 'namespaces', { metadata: { name } as ObjectMeta })
}
