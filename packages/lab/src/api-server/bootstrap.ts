import type { Cluster } from './cluster-state.ts'
import { minimalCrds } from './minimal-crds.ts'
import { type Fields, isFields } from './objects.ts'
import { toObject } from './object-metadata.ts'

const systemNamespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease']

export interface BootstrapOptions {
  readonly crds: readonly Fields[]
  readonly caCertificate: string
}

/** What is there before the first request. */
export function bootstrap({ operations, registry }: Cluster, { crds, caCertificate }: BootstrapOptions): void {
  const create = (plural: string, namespace: string | undefined, body: Fields, group = ''): void => {
    const definition = registry.find(group, 'v1', plural)!
    operations.create(definition, toObject(body, definition, namespace, undefined))
  }
  for (const name of systemNamespaces) create('namespaces', undefined, { metadata: { name } })
  // The root certificate controller gives it to all other namespaces from here.
  create('configmaps', 'kube-system', { metadata: { name: 'kube-root-ca.crt' }, data: { 'ca.crt': caCertificate } })
  const given = new Set(crds.map(nameOf))
  for (const crd of [...crds, ...minimalCrds().filter(one => !given.has(nameOf(one)))]) {
    create('customresourcedefinitions', undefined, crd, 'apiextensions.k8s.io')
  }
}

/** The service by which pods reach the API server, once it is known where that listens. */
export function publishService(
  { operations, registry }: Cluster,
  { clusterIp, address, port }: { clusterIp: string; address: string; port: number }
): void {
  const services = registry.find('', 'v1', 'services')!
  const labels = { component: 'apiserver', provider: 'kubernetes' }
  const ports = [{ name: 'https', protocol: 'TCP', port: 443, targetPort: port }]
  const service = { metadata: { name: 'kubernetes', labels }, spec: { clusterIP: clusterIp, ports } }
  operations.create(services, toObject(service, services, 'default', undefined))
  const slices = registry.find('discovery.k8s.io', 'v1', 'endpointslices')!
  const slice = {
    metadata: { name: 'kubernetes', labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
    ports: [{ name: 'https', protocol: 'TCP', port }]
  }
  operations.create(slices, toObject(slice, slices, 'default', undefined))
}

const nameOf = ({ metadata }: Fields): unknown => (isFields(metadata) ? metadata.name : undefined)
