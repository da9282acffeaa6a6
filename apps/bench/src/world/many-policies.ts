import { type AuthorizationPolicy, authorizationPolicies } from '@culvert/kubernetes'
import type { Cluster } from '@culvert/lab'

const label = 'culvert.dev/bench'

type Source = Readonly<Record<string, readonly string[]>>

/**
 * Sources and operations by which the i-th policy misses the load, which comes from account `client`, over an address of
 * the pods' range, to port 8080: by every kind of list, positive, negative, and both at once.
 */
const kinds: readonly ((i: number) => { readonly from?: Source; readonly to?: Source })[] = [
  i => ({ from: { principals: [`cluster.local/ns/other-${i}/sa/a`] } }),
  i => ({ from: { principals: [`cluster.local/ns/other-${i}/*`, `*/sa/other-${i}`] } }),
  i => ({ from: { principals: ['*'] }, to: { ports: [`${20_000 + i}`] } }),
  i => ({ from: { notPrincipals: ['*', `cluster.local/ns/other-${i}/sa/a`] } }),
  i => ({ from: { notPrincipals: ['cluster.local/ns/bench/*'], notNamespaces: [`other-${i}`] } }),
  i => ({ from: { namespaces: [`other-${i}`, `prefix-${i}*`] } }),
  i => ({ from: { notNamespaces: ['bench', `other-${i}`] } }),
  i => ({ from: { ipBlocks: [`172.${16 + (i % 16)}.${i >> 4}.0/24`] } }),
  i => ({ from: { notIpBlocks: ['10.0.0.0/8', `172.${16 + (i % 16)}.${i >> 4}.0/24`] } }),
  i => ({ to: { ports: [`${20_000 + i}`] } }),
  i => ({ to: { notPorts: ['8080', `${20_000 + i}`] } }),
  i => ({ from: { notPrincipals: [`cluster.local/ns/other-${i}/sa/a`] }, to: { ports: [`${20_000 + i}`] } })
]

function policy(namespace: string, i: number): AuthorizationPolicy {
  const { from, to } = kinds[i % kinds.length]!(i)
  const rule = {
    ...(from && { from: [{ source: from }] }),
    ...(to && { to: [{ operation: to }] })
  }
  return {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: `many-${i}`, namespace, labels: { [label]: 'many' } },
    spec: { action: i % 2 === 0 ? 'DENY' : 'ALLOW', rules: [rule] }
  }
}

/** So many, of each kind as many as of any other, half of them DENY. */
export async function createPolicies(cluster: Cluster, namespace: string, count: number): Promise<void> {
  const all = Array.from({ length: count }, (_, i) => policy(namespace, i))
  await inGroups(all, one => cluster.client.create(authorizationPolicies, one))
}

export async function removePolicies(cluster: Cluster, namespace: string): Promise<void> {
  const { items } = await cluster.client.list(authorizationPolicies, { namespace, labelSelector: `${label}=many` })
  await inGroups(items, ({ metadata }) =>
    cluster.client.delete(authorizationPolicies, { namespace, name: metadata!.name! })
  )
}

async function inGroups<Item>(items: readonly Item[], work: (item: Item) => Promise<unknown>): Promise<void> {
  for (let first = 0; first < items.length; first += 20) await Promise.all(items.slice(first, first + 20).map(work))
}
