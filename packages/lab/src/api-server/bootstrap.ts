import type { Cluster } from './cluster-state.ts'
import { minimalCrds } from './minimal-crds.ts'
import { type Fields, isFields } from './objects.ts'
import { toObject } from './object-metadata.ts'

const systemNamespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease']

/** What is there before the first request. */
export function bootstrap({ operations, registry }: Cluster, crds: readonly Fields[]): void {
  const namespaces = registry.find('', 'v1', 'namespaces')!
  for (const name of systemNamespaces) {
    operations.create(namespaces, toObject({ metadata: { name } }, namespaces, undefined, undefined))
  }
  const definitions = registry.find('apiextensions.k8s.io', 'v1', 'customresourcedefinitions')!
  const given = new Set(crds.map(nameOf))
  for (const crd of [...crds, ...minimalCrds().filter(one => !given.has(nameOf(one)))]) {
    operations.create(definitions, toObject(crd, definitions, undefined, undefined))
  }
}

const nameOf = ({ metadata }: Fields): unknown => (isFields(metadata) ? metadata.name : undefined)
