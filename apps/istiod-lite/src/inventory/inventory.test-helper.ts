import type {
  AuthorizationPolicy,
  Gateway,
  PeerAuthentication,
  V1Namespace,
  V1Pod,
  V1Service
} from '@culvert/kubernetes'
import type { WorkloadMessage } from '@culvert/workloads'
import { createInventory, type Inventory, type InventoryOptions } from './inventory.ts'
import type { ObjectKind, ObjectKinds } from './objects.ts'

const defaults: InventoryOptions = {
  mesh: {
    clusterId: 'k',
    trustDomain: 'cluster.local',
    workloadTrustDomain: '',
    rootNamespace: 'mesh-root',
    domain: 'cluster.local'
  },
  systemNamespace: 'istio-system',
  revision: undefined,
  dryRunPolicies: false,
  waypointPolicies: false
}

/** An inventory that is told what is there and says which names a change reached. */
export interface Harness extends Inventory {
  put<Kind extends ObjectKind>(kind: Kind, object: ObjectKinds[Kind]): Harness
  remove<Kind extends ObjectKind>(kind: Kind, object: ObjectKinds[Kind]): Harness
  /** Names of addresses and policies since the last call, sorted. */
  changes(): string[]
  workload(name: string, namespace?: string): WorkloadMessage | undefined
}

export function harness(options: Partial<InventoryOptions> = {}): Harness {
  const inventory: Inventory = createInventory({ ...defaults, ...options })
  const known = new Map<string, object>()
  return {
    ...inventory,
    put<Kind extends ObjectKind>(kind: Kind, object: ObjectKinds[Kind]) {
      const key = `${kind} ${object.metadata?.namespace}/${object.metadata?.name}`
      inventory.apply(kind, known.get(key) as ObjectKinds[Kind] | undefined, object)
      known.set(key, object)
      return this
    },
    remove<Kind extends ObjectKind>(kind: Kind, object: ObjectKinds[Kind]) {
      inventory.apply(kind, object, undefined)
      known.delete(`${kind} ${object.metadata?.namespace}/${object.metadata?.name}`)
      return this
    },
    changes() {
      inventory.flush()
      const { addresses, policies } = inventory.published.takeChanges()
      return [...addresses, ...policies].sort()
    },
    workload: (name: string, namespace = 'shop') =>
      inventory.published.address(`k//Pod/${namespace}/${name}`)?.message.workload
  }
}

export const pod = (
  name: string,
  o: { namespace?: string; labels?: object; annotations?: object; node?: string; ip?: string; uid?: string } = {}
): V1Pod => ({
  metadata: {
    name,
    namespace: o.namespace ?? 'shop',
    uid: o.uid ?? name,
    labels: { app: 'cart', ...o.labels } as Record<string, string>,
    annotations: { ...o.annotations } as Record<string, string>
  },
  spec: { serviceAccountName: 'cart', nodeName: o.node ?? 'n1', containers: [{ name: 'a', image: 'x' }] },
  status: { phase: 'Running', podIP: o.ip ?? '10.0.0.1', conditions: [{ type: 'Ready', status: 'True' }] }
})
export const service = (name: string, spec: object = {}, metadata: object = {}): V1Service => ({
  metadata: { name, namespace: 'shop', ...metadata },
  spec: { selector: { app: 'cart' }, clusterIP: '10.96.0.5', ports: [{ port: 80, targetPort: 8080 }], ...spec }
})
export const namespace = (
  name: string,
  labels: Record<string, string> = {},
  annotations: Record<string, string> = {}
): V1Namespace => ({
  metadata: { name, labels, annotations }
})
export const policy = (
  name: string,
  ns: string,
  selector?: Record<string, string>,
  extra: object = {}
): AuthorizationPolicy => ({
  metadata: { name, namespace: ns },
  spec: { ...(selector ? { selector: { matchLabels: selector } } : {}), ...extra }
})
export const peer = (
  name: string,
  ns: string,
  mode: 'STRICT' | 'PERMISSIVE',
  selector?: Record<string, string>,
  created = '2026-01-01T00:00:00Z'
): PeerAuthentication => ({
  metadata: { name, namespace: ns, creationTimestamp: created },
  spec: { mtls: { mode }, ...(selector ? { selector: { matchLabels: selector } } : {}) }
})
export const gateway = (
  name: string,
  o: { ns?: string; labels?: object; listeners?: object[]; ip?: string } = {}
): Gateway => ({
  metadata: { name, namespace: o.ns ?? 'shop', labels: { 'istio.io/waypoint-for': 'all', ...o.labels } },
  spec: {
    gatewayClassName: 'istio-waypoint',
    listeners: (o.listeners ?? [{ name: 'mesh', port: 15008, protocol: 'HBONE' }]) as never
  },
  status: { addresses: o.ip === '' ? [] : [{ type: 'IPAddress', value: o.ip ?? '10.96.40.1' }] }
})

export const cart = 'shop/cart.shop.svc.cluster.local'
export const strict = 'mesh-root/istio_converted_static_strict'
