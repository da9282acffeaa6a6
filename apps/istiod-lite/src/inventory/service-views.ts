import { matchesLabels, type ServiceEntry, type V1Pod } from '@culvert/kubernetes'
import { serviceNameLabel } from '../resources/endpoint-slice-workloads.ts'
import { isPublished, serviceFacts } from '../resources/kubernetes-service.ts'
import type { MeshFacts } from '../resources/mesh-facts.ts'
import { serviceHostname } from '../resources/names.ts'
import { serviceEntryFacts } from '../resources/service-entry.ts'
import type { ServiceFacts } from '../resources/service-facts.ts'
import type { ObjectTables } from './objects.ts'
import type { Read } from './unit-graph.ts'
import { type Labels, topics, type Views } from './views.ts'

/** Services and entries of the namespace whose selector matches. */
export function selectingServices(views: Views, read: Read, namespace: string, labels: Labels): ServiceFacts[] {
  const { tables, mesh } = views
  read(topics.selectors(namespace))
  const facts: ServiceFacts[] = []
  for (const service of tables.service.in(namespace)) {
    const selector = service.spec?.selector ?? {}
    if (isPublished(service) && Object.keys(selector).length > 0 && matchesLabels(selector, labels)) {
      facts.push(serviceFacts(service, mesh.domain))
    }
  }
  for (const entry of tables.serviceEntry.in(namespace)) {
    const selector = entry.spec?.workloadSelector?.labels ?? {}
    if (Object.keys(selector).length === 0 || !matchesLabels(selector, labels)) continue
    for (const host of new Set(entry.spec?.hosts ?? [])) {
      if (ownsHost(views, read, entry, host)) facts.push(serviceEntryFacts(entry, host))
    }
  }
  return facts
}

/** Services without a selector whose EndpointSlices name this very pod. */
export function slicedServices({ tables, mesh, slicesOfPod }: Views, read: Read, pod: V1Pod): ServiceFacts[] {
  const { namespace = '', name = '', uid } = pod.metadata ?? {}
  read(topics.slicesOfPod(namespace, name))
  const facts = new Map<string, ServiceFacts>()
  for (const slice of slicesOfPod.get(`${namespace}/${name}`)) {
    const serviceName = slice.metadata?.labels?.[serviceNameLabel]
    if (serviceName === undefined || slice.metadata?.namespace !== namespace) continue
    const named = slice.endpoints?.some(({ targetRef }) => targetRef?.name === name && targetRef.uid === uid)
    if (!named) continue
    read(topics.service(namespace, serviceName))
    const service = tables.service.get(namespace, serviceName)
    if (service === undefined || !isPublished(service)) continue
    if (Object.keys(service.spec?.selector ?? {}).length > 0) continue
    const fact = serviceFacts(service, mesh.domain)
    facts.set(fact.key, fact)
  }
  return [...facts.values()]
}

/** Whether an entry speaks for a host of its namespace: no Kubernetes Service does, and no older entry. */
export function ownsHost(
  { tables, mesh, entriesOfHost }: Views,
  read: Read,
  entry: ServiceEntry,
  host: string
): boolean {
  const { namespace = '' } = entry.metadata ?? {}
  read(topics.host(host))
  if (kubernetesServiceOf(tables, mesh, host, namespace)) return false
  const rivals = [...entriesOfHost.get(host)].filter(other => other.metadata?.namespace === namespace)
  return rivals.every(other => other === entry || !isOlder(other, entry))
}

/** The one that answers for a host outside its own namespace. */
export function isCanonical(
  { tables, mesh, entriesOfHost }: Views,
  read: Read,
  entry: ServiceEntry,
  host: string
): boolean {
  read(topics.host(host))
  if (kubernetesServiceOf(tables, mesh, host)) return false
  return [...entriesOfHost.get(host)].every(other => other === entry || !isOlder(other, entry))
}

function kubernetesServiceOf(tables: ObjectTables, mesh: MeshFacts, host: string, namespace?: string): boolean {
  const [name = '', ns = ''] = host.split('.')
  if (host !== serviceHostname(name, ns, mesh.domain) || (namespace !== undefined && ns !== namespace)) return false
  const service = tables.service.get(ns, name)
  return service !== undefined && isPublished(service)
}

function isOlder(a: ServiceEntry, b: ServiceEntry): boolean {
  const age = ({ metadata }: ServiceEntry) =>
    `${metadata?.creationTimestamp ?? ''} ${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`
  return age(a) < age(b)
}
