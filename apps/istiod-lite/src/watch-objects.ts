import {
  authorizationPolicies,
  createInformer,
  endpointSlices,
  gatewayClasses,
  gateways,
  type Informer,
  type KubernetesClient,
  type KubernetesError,
  namespaces,
  nodes,
  peerAuthentications,
  pods,
  type Resource,
  serviceEntries,
  services,
  workloadEntries
} from '@culvert/kubernetes'
import type { Inventory } from './inventory/inventory.ts'
import type { ObjectKind, ObjectKinds } from './inventory/objects.ts'

const resources: { [Kind in ObjectKind]: Resource<ObjectKinds[Kind]> } = {
  pod: pods,
  service: services,
  endpointSlice: endpointSlices,
  namespace: namespaces,
  node: nodes,
  authorizationPolicy: authorizationPolicies,
  peerAuthentication: peerAuthentications,
  serviceEntry: serviceEntries,
  workloadEntry: workloadEntries,
  gateway: gateways,
  gatewayClass: gatewayClasses
}

/** Kinds whose definitions a cluster may lack. */
const optional: ReadonlySet<ObjectKind> = new Set([
  'authorizationPolicy',
  'peerAuthentication',
  'serviceEntry',
  'workloadEntry',
  'gateway',
  'gatewayClass'
])

export type Informers = { readonly [Kind in ObjectKind]: Informer<ObjectKinds[Kind]> }

export interface ObjectWatch {
  readonly informers: Informers
  /** Resolves when every kind is in sync. */
  start(options: { signal: AbortSignal }): Promise<void>
}

/** Feeds the inventory from the API server; `changed` is called after each event. */
export function watchObjects(options: {
  readonly client: KubernetesClient
  readonly inventory: Inventory
  readonly changed: () => void
  readonly onEvent: (kind: string, event: 'add' | 'update' | 'delete') => void
  readonly onError: (error: KubernetesError) => void
}): ObjectWatch {
  const { client, inventory, changed, onEvent, onError } = options

  function watch<Kind extends ObjectKind>(kind: Kind): Informer<ObjectKinds[Kind]> {
    const resource = resources[kind] as Resource<ObjectKinds[Kind]>
    const missingKind = optional.has(kind) ? 'empty' : 'wait'
    const informer = createInformer<ObjectKinds[Kind]>(client, resource, { missingKind, onError })
    informer.on({
      added(object) {
        onEvent(resource.kind, 'add')
        inventory.apply(kind, undefined, object)
        changed()
      },
      updated(old, now) {
        onEvent(resource.kind, 'update')
        inventory.apply(kind, old, now)
        changed()
      },
      deleted(object) {
        onEvent(resource.kind, 'delete')
        inventory.apply(kind, object, undefined)
        changed()
      }
    })
    return informer
  }

  const kinds = Object.keys(resources) as ObjectKind[]
  const informers = Object.fromEntries(kinds.map(kind => [kind, watch(kind)])) as unknown as Informers
  return {
    informers,
    async start({ signal }) {
      await Promise.all(Object.values(informers).map(informer => informer.start({ signal })))
    }
  }
}
