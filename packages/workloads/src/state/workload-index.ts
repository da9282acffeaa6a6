import type { ServiceDefinition } from '../conversion/service.ts'
import {
  type NamespacedHostname,
  type Service,
  type ServiceEndpoint,
  serviceKey,
  type Workload
} from '../model/workload.ts'
import { createEndpointChanges, type EndpointChanges } from './endpoint-changes.ts'
import type { WorkloadListing, WorkloadLookups } from './lookups.ts'
import { createServiceTable, type IndexedService } from './service-table.ts'
import { createWorkloadTable } from './workload-table.ts'

/** Everything known about workloads and services, and the only place that changes it. */
export interface WorkloadIndex extends WorkloadLookups, WorkloadListing {
  /** One response: updates in order, then removals, then what both mean for the services' endpoints. */
  readonly apply: (changes: AddressChanges) => void
  /**
   * The same in steps, for a response too big for one turn of the event loop. Nothing else may be applied before the
   * end. Meanwhile each resource is the old or the new one, a service's endpoints change together, and a workload goes
   * after the services have others.
   */
  readonly applyInSteps: (changes: AddressChanges) => Iterable<void>
  /** Until the returned function is called. Listeners run when a whole response is in. */
  readonly watch: (listener: IndexListener) => () => void
  /** Whether a workload is of this node. */
  readonly isLocal: (workload: Workload) => boolean
}

export interface AddressChanges {
  readonly updates: readonly AddressUpdate[]
  /** Workload uids and `namespace/hostname` of services; `unknown` is told of names of neither. */
  readonly removals: readonly string[]
  readonly unknown?: (name: string) => void
}

export type AddressUpdate =
  | { readonly kind: 'workload'; readonly workload: Workload }
  | { readonly kind: 'service'; readonly service: ServiceDefinition & Partial<Pick<Service, 'endpoints'>> }

export interface IndexListener {
  readonly workloadInserted?: (workload: Workload) => void
  /** The last workload of this node that ran as this account is gone. */
  readonly localIdentityGone?: (identity: { readonly namespace: string; readonly serviceAccount: string }) => void
}

export function createWorkloadIndex({ localNode }: { localNode?: string | undefined } = {}): WorkloadIndex {
  const workloads = createWorkloadTable(localNode)
  const services = createServiceTable()
  const staged = new Map<string, Map<string, ServiceEndpoint>>()
  const listeners = new Set<IndexListener>()

  const serviceOf = (key: string): IndexedService | undefined => {
    const host = parseServiceKey(key)
    return host && services.get(host)
  }

  function insertWorkload(workload: Workload, changes: EndpointChanges): void {
    const previous = workloads.get(workload.uid)
    if (previous !== undefined) {
      workloads.remove(previous)
      changes.gone(previous)
    }
    workloads.add(workload)
    changes.arrived(workload)
  }

  /** The service's own list (local configuration), then what its predecessor had, then what waited for it. */
  function insertService(definition: ServiceDefinition & Partial<Pick<Service, 'endpoints'>>): void {
    const key = serviceKey(definition)
    const previous = services.get(definition)
    if (previous !== undefined) services.remove(previous)
    const service: IndexedService = { ...definition, endpoints: new Map(definition.endpoints) }
    for (const endpoints of [previous?.endpoints, staged.get(key)]) {
      for (const [uid, endpoint] of endpoints ?? []) putEndpoint(service, uid, endpoint)
    }
    staged.delete(key)
    services.add(service)
  }

  function* applyEndpointChanges(changes: EndpointChanges): Generator<void> {
    for (const [key, endpoints] of changes.all()) {
      const service = serviceOf(key)
      for (const [uid, endpoint] of endpoints) {
        if (service !== undefined) putEndpoint(service, uid, endpoint)
        else stageEndpoint(key, uid, endpoint)
      }
      yield
    }
  }

  function stageEndpoint(key: string, uid: string, endpoint: ServiceEndpoint | undefined): void {
    const waiting = staged.get(key)
    if (endpoint === undefined) {
      waiting?.delete(uid)
      if (waiting?.size === 0) staged.delete(key)
    } else if (waiting === undefined) staged.set(key, new Map([[uid, endpoint]]))
    else waiting.set(uid, endpoint)
  }

  function* applyInSteps({ updates, removals, unknown }: AddressChanges): Generator<void> {
    const changes = createEndpointChanges()
    const inserted: Workload[] = []
    const replaced: Workload[] = []
    const leaving: Workload[] = []
    for (const update of updates) {
      if (update.kind === 'service') insertService(update.service)
      else {
        const previous = workloads.get(update.workload.uid)
        if (previous !== undefined) replaced.push(previous)
        insertWorkload(update.workload, changes)
        inserted.push(update.workload)
      }
      yield
    }
    for (const name of removals) {
      const workload = workloads.get(name)
      const service = workload ? undefined : serviceOf(name)
      if (workload !== undefined) {
        leaving.push(workload)
        changes.gone(workload)
      } else if (service !== undefined) services.remove(service)
      else unknown?.(name)
      yield
    }
    yield* applyEndpointChanges(changes)
    // Only now, or a service all of whose pods are replaced would have nobody for some steps.
    for (const workload of leaving) {
      if (workloads.get(workload.uid) === workload) workloads.remove(workload)
      yield
    }

    const gone = accountsGone([...replaced, ...leaving].filter(workloads.isLocal), workloads.hasLocalIdentity)
    for (const listener of listeners) {
      for (const workload of inserted) listener.workloadInserted?.(workload)
      for (const identity of gone) listener.localIdentityGone?.(identity)
    }
  }

  return {
    workload: workloads.get,
    workloadByIp: workloads.byIp,
    workloadByHostname: workloads.byHostname,
    localWorkload: workloads.local,
    hasLocalIdentity: workloads.hasLocalIdentity,
    isLocal: workloads.isLocal,
    service: services.get,
    serviceByVip: (network, ip, clientNamespace) => services.byVip(network, ip, clientNamespace),
    serviceByHostname: (hostname, clientNamespace) => services.byHostname(hostname, clientNamespace),
    servicesByHostname: services.ofHostname,
    workloads: workloads.all,
    services: services.all,
    stagedEndpoints: () => staged,

    apply(changes) {
      for (const _step of applyInSteps(changes));
    },
    applyInSteps,

    watch(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    }
  }
}

/** Unhealthy endpoints are kept only where the service wants all; otherwise they are dropped, not hidden. */
function putEndpoint(service: IndexedService, uid: string, endpoint: ServiceEndpoint | undefined): void {
  const wanted = endpoint?.status === 'Healthy' || service.loadBalancer?.healthPolicy === 'AllowAll'
  if (endpoint !== undefined && wanted) service.endpoints.set(uid, endpoint)
  else service.endpoints.delete(uid)
}

/** The first slash splits; a name without one is no service's. */
function parseServiceKey(key: string): NamespacedHostname | undefined {
  const slash = key.indexOf('/')
  return slash < 0 ? undefined : { namespace: key.slice(0, slash), hostname: key.slice(slash + 1) }
}

function accountsGone(
  removed: readonly Workload[],
  isHeld: (namespace: string, serviceAccount: string) => boolean
): readonly { readonly namespace: string; readonly serviceAccount: string }[] {
  const accounts = new Map<string, { namespace: string; serviceAccount: string }>()
  for (const { namespace, serviceAccount } of removed) {
    if (!isHeld(namespace, serviceAccount))
      accounts.set(`${namespace}/${serviceAccount}`, { namespace, serviceAccount })
  }
  return [...accounts.values()]
}
