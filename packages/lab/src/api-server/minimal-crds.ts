import type { Fields } from './objects.ts'

interface Minimal {
  readonly group: string
  readonly kind: string
  readonly plural: string
  readonly shortNames?: readonly string[]
  readonly cluster?: boolean
  /** Storage version first. */
  readonly versions: readonly string[]
}

/** The mesh's own kinds, for clusters that are given no CustomResourceDefinitions of them. */
const kinds: readonly Minimal[] = [
  {
    group: 'security.istio.io',
    kind: 'AuthorizationPolicy',
    plural: 'authorizationpolicies',
    shortNames: ['ap'],
    versions: ['v1', 'v1beta1']
  },
  {
    group: 'security.istio.io',
    kind: 'PeerAuthentication',
    plural: 'peerauthentications',
    shortNames: ['pa'],
    versions: ['v1', 'v1beta1']
  },
  {
    group: 'networking.istio.io',
    kind: 'ServiceEntry',
    plural: 'serviceentries',
    shortNames: ['se'],
    versions: ['v1', 'v1beta1', 'v1alpha3']
  },
  {
    group: 'networking.istio.io',
    kind: 'WorkloadEntry',
    plural: 'workloadentries',
    shortNames: ['we'],
    versions: ['v1', 'v1beta1', 'v1alpha3']
  },
  {
    group: 'gateway.networking.k8s.io',
    kind: 'Gateway',
    plural: 'gateways',
    shortNames: ['gtw'],
    versions: ['v1', 'v1beta1']
  },
  {
    group: 'gateway.networking.k8s.io',
    kind: 'GatewayClass',
    plural: 'gatewayclasses',
    shortNames: ['gc'],
    cluster: true,
    versions: ['v1', 'v1beta1']
  }
]

const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }

export function minimalCrds(): Fields[] {
  return kinds.map(({ group, kind, plural, shortNames = [], cluster = false, versions }) => ({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      names: { kind, plural, shortNames: [...shortNames] },
      scope: cluster ? 'Cluster' : 'Namespaced',
      versions: versions.map((name, index) => ({
        name,
        served: true,
        storage: index === 0,
        subresources: { status: {} },
        schema: { openAPIV3Schema: { type: 'object', properties: { spec: open, status: open } } }
      }))
    }
  }))
}
