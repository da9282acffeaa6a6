import type { ServiceDefinition } from '../conversion/service.ts'
import { parseServiceKey, type PortMap, type Service, serviceKey, type Workload } from '../model/workload.ts'
import { EndpointSet } from './compact/endpoint-set.ts'
import { createPool } from './compact/pool.ts'
import { createEndpointChanges, type EndpointChanges, holdPorts } from './endpoint-changes.ts'
import type { WorkloadListing, WorkloadLookups } from './lookups.ts'
import { createServiceTable, type IndexedService } from './service-table.ts'
import { createTurns } from './turns.ts'
import { createWorkloadTable } from './workload-table.ts'

/** Everything known about workloads and services, and the only place that changes it. */
export interface WorkloadIndex extends WorkloadLookups, WorkloadListing {
  /** One response: updates in order, then removals, then what both mean for the services' endpoints. */
  readonly apply: (changes: AddressChanges) => void
  /**
   * The same in steps, for a response too big for one turn of the event loop. Nothing else may be applied before the
   * end. Meanwhile each resource is the old or the new one; a service comes when its workloads are there, with all its
   * endpoints, and a workload goes after the services have others.
   */
  readonly applyInSteps: (changes: AddressChanges) => Iterable<void>
  /** The same, in as many turns of the event loop as it takes, after whatever was to be applied before. */
  readonly applyInTurns: (changes: AddressChanges) => Promise<void>
  /** Until the returned function is called. Listeners run when a whole response is in. */
  readonly watch: (listener: IndexListener) => () => void
}

export interface AddressChanges {
  /** May be made on the way: each is needed for one step. Undefined is a step in which nothing changes. */
  readonly updates: Iterable<AddressUpdate | undefined>
  /** Workload uids and `namespace/hostname` of services; `unknown` is told of names of neither. */
  readonly removals: Iterable<string>
  readonly unknown?: (name: string) => void
}

export type AddressUpdate =
  | { readonly kind: 'workload'; readonly workload: Workload }
  | { readonly kind: 'service'; readonly service: ServiceUpdate }

type ServiceUpdate = ServiceDefinition & Partial<Pick<Service, 'endpoints'>>

/** Of one response, by key, until its workloads are in: what takes the place of services, and what goes. */
interface ServiceChanges {
  readonly prepared: Map<string, IndexedService>
  readonly withdrawn: Map<string, IndexedService>
}

/** Services that come or go. */
const changesPerStep = 512

export interface IndexListener {
  /** A workload of this node is new, or has changed. */
  readonly localInserted?: (workload: Workload) => void
  /** The last workload of this node that ran as this account is gone. */
  readonly localIdentityGone?: (identity: Account) => void
}

interface Account {
  readonly namespace: string
  readonly serviceAccount: string
}

export function createWorkloadIndex({ localNode }: { localNode?: string | undefined } = {}): WorkloadIndex {
  const workloads = createWorkloadTable(localNode)
  const services = createServiceTable()
  const ports = createPool<PortMap>()
  const staged = new Map<string, EndpointSet>()
  const listeners = new Set<IndexListener>()
  const turns = createTurns()

  const serviceOf = (key: string): IndexedService | undefined => {
    const host = parseServiceKey(key)
    return host && services.get(host)
  }

  /**
   * The service's own list (local configuration), then what its predecessor had, then what waited for it. Nobody meets it
   * before it is published.
   */
  function prepareService(update: ServiceUpdate, { prepared }: ServiceChanges): void {
    const key = serviceKey(update)
    const service: IndexedService = { ...update, endpoints: new EndpointSet(workloads, ports) }
    for (const [uid, { port, status }] of update.endpoints ?? []) {
      service.endpoints.put(workloads.makeName(uid), holdPorts(ports, port), status)
    }
    const earlier = prepared.get(key)
    const waiting = staged.get(key)
    for (const before of [(earlier ?? services.get(update))?.endpoints, waiting]) {
      before?.copyInto(service.endpoints, wanted(service))
    }
    earlier?.endpoints.clear()
    waiting?.clear()
    staged.delete(key)
    // To its end: services that are sent again come after those that were there.
    prepared.delete(key)
    prepared.set(key, service)
  }

  /** False for a service that nobody knows. */
  function withdrawService(key: string, { prepared, withdrawn }: ServiceChanges): boolean {
    const [known, coming] = [serviceOf(key), prepared.get(key)]
    if (known === undefined && coming === undefined) return false
    coming?.endpoints.clear()
    prepared.delete(key)
    if (known !== undefined) withdrawn.set(key, known)
    return true
  }

  /**
   * The services of a response change together, unless they are too many for one step. None goes before all have come,
   * or an address that moves from one to another would have nobody for some steps.
   */
  function* publishServices({ prepared, withdrawn }: ServiceChanges): Generator<void> {
    const leaving = [...withdrawn.values()]
    let count = 0
    for (const service of prepared.values()) {
      const previous = services.get(service)
      if (previous !== undefined) leaving.push(previous)
      services.add(service)
      if (++count % changesPerStep === 0) yield
    }
    for (const service of leaving) {
      services.remove(service)
      if (++count % changesPerStep === 0) yield
    }
    yield
    for (const { endpoints } of leaving) {
      endpoints.clear()
      yield
    }
  }

  function* applyEndpointChanges(changes: EndpointChanges, { prepared, withdrawn }: ServiceChanges): Generator<void> {
    for (const key of changes.services()) {
      const service = prepared.get(key) ?? (withdrawn.has(key) ? undefined : serviceOf(key))
      if (service !== undefined) changes.applyTo(key, service.endpoints, wanted(service))
      else {
        const waiting = staged.get(key) ?? new EndpointSet(workloads, ports)
        changes.applyTo(key, waiting, () => true)
        if (waiting.size > 0) staged.set(key, waiting)
        else staged.delete(key)
      }
      yield
    }
  }

  function* applyInSteps({ updates, removals, unknown }: AddressChanges): Generator<void> {
    const changes = createEndpointChanges(ports)
    const serviceChanges: ServiceChanges = { prepared: new Map(), withdrawn: new Map() }
    const inserted: number[] = []
    const leaving: number[] = []
    const left = new Map<string, Account>()
    const leave = (workload: Workload): void => {
      const { namespace, serviceAccount } = workload
      if (workloads.isLocal(workload)) left.set(`${namespace}/${serviceAccount}`, { namespace, serviceAccount })
    }
    for (const update of updates) {
      if (update?.kind === 'service') prepareService(update.service, serviceChanges)
      else if (update !== undefined) {
        const { slot, previous } = workloads.put(update.workload)
        if (previous !== undefined) {
          changes.gone(slot, previous)
          leave(previous)
        }
        changes.arrived(slot, update.workload)
        if (workloads.isLocal(update.workload)) inserted.push(slot)
      }
      yield
    }
    for (const name of removals) {
      const slot = workloads.slotOf(name)
      const workload = slot === undefined ? undefined : workloads.peek(slot)
      if (slot !== undefined && workload !== undefined) {
        leaving.push(slot)
        leave(workload)
        changes.gone(slot, workload)
      } else if (!withdrawService(name, serviceChanges)) unknown?.(name)
      yield
    }
    yield* applyEndpointChanges(changes, serviceChanges)
    yield* publishServices(serviceChanges)
    // Only now, or a service all of whose pods are replaced would have nobody for some steps.
    for (const slot of leaving) {
      workloads.remove(slot)
      yield
    }
    yield* tell(inserted, [...left.values()])
  }

  function* tell(inserted: readonly number[], left: readonly Account[]): Generator<void> {
    if (listeners.size === 0) return
    for (const slot of inserted) {
      const workload = workloads.peek(slot)
      if (workload !== undefined && workloads.isLocal(workload)) {
        for (const listener of listeners) listener.localInserted?.(workload)
      }
      yield
    }
    const gone = left.filter(({ namespace, serviceAccount }) => !workloads.hasLocalIdentity(namespace, serviceAccount))
    for (const identity of gone) for (const listener of listeners) listener.localIdentityGone?.(identity)
  }

  return {
    workload: workloads.get,
    workloadByIp: workloads.byIp,
    workloadByHostname: workloads.byHostname,
    localWorkload: workloads.local,
    hasLocalIdentity: workloads.hasLocalIdentity,
    service: services.get,
    serviceByVip: (network, ip, clientNamespace) => services.byVip(network, ip, clientNamespace),
    serviceByHostname: (hostname, clientNamespace) => services.byHostname(hostname, clientNamespace),
    servicesByHostname: services.ofHostname,
    *endpointsOf({ endpoints }) {
      if (!(endpoints instanceof EndpointSet)) return
      for (const { slot, port } of endpoints.members()) {
        const endpoint = workloads.endpointAt(slot, port)
        if (endpoint !== undefined) yield endpoint
      }
    },
    workloads: workloads.all,
    services: services.all,
    stagedEndpoints: () => staged,

    apply(changes) {
      for (const _step of applyInSteps(changes));
    },
    applyInSteps,
    applyInTurns: changes => turns.take(applyInSteps(changes)),

    watch(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    }
  }
}

/** Unhealthy endpoints are kept only where the service wants all; otherwise they are dropped, not hidden. */
const wanted =
  ({ loadBalancer }: Pick<Service, 'loadBalancer'>) =>
  (status: Workload['status']): boolean =>
    status === 'Healthy' || loadBalancer?.healthPolicy === 'AllowAll'
