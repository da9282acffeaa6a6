import type {
  AuthorizationPolicy,
  Gateway,
  GatewayClass,
  PeerAuthentication,
  ServiceEntry,
  V1EndpointSlice,
  V1Namespace,
  V1Node,
  V1Pod,
  V1Service,
  WorkloadEntry
} from '@culvert/kubernetes'

/** The kinds that resources are computed from. */
export interface ObjectKinds {
  pod: V1Pod
  service: V1Service
  endpointSlice: V1EndpointSlice
  namespace: V1Namespace
  node: V1Node
  authorizationPolicy: AuthorizationPolicy
  peerAuthentication: PeerAuthentication
  serviceEntry: ServiceEntry
  workloadEntry: WorkloadEntry
  gateway: Gateway
  gatewayClass: GatewayClass
}

export type ObjectKind = keyof ObjectKinds

/** Objects of one kind by namespace (empty for cluster-wide kinds) and name. */
export interface ObjectTable<T> {
  get(namespace: string, name: string): T | undefined
  set(namespace: string, name: string, object: T | undefined): void
  in(namespace: string): Iterable<T>
  all(): Iterable<T>
  readonly size: number
}

function createObjectTable<T>(): ObjectTable<T> {
  const namespaces = new Map<string, Map<string, T>>()
  return {
    get: (namespace, name) => namespaces.get(namespace)?.get(name),
    set(namespace, name, object) {
      const objects = namespaces.get(namespace)
      if (object !== undefined) {
        if (objects === undefined) namespaces.set(namespace, new Map([[name, object]]))
        else objects.set(name, object)
      } else if (objects?.delete(name) && objects.size === 0) {
        namespaces.delete(namespace)
      }
    },
    in: namespace => namespaces.get(namespace)?.values() ?? [],
    *all() {
      for (const objects of namespaces.values()) yield* objects.values()
    },
    get size() {
      let count = 0
      for (const objects of namespaces.values()) count += objects.size
      return count
    }
  }
}

export type ObjectTables = { readonly [Kind in ObjectKind]: ObjectTable<ObjectKinds[Kind]> }

export function createObjectTables(): ObjectTables {
  return {
    pod: createObjectTable(),
    service: createObjectTable(),
    endpointSlice: createObjectTable(),
    namespace: createObjectTable(),
    node: createObjectTable(),
    authorizationPolicy: createObjectTable(),
    peerAuthentication: createObjectTable(),
    serviceEntry: createObjectTable(),
    workloadEntry: createObjectTable(),
    gateway: createObjectTable(),
    gatewayClass: createObjectTable()
  }
}
