/** One kind of object the server stores, in one of its versions. */
export interface ResourceDefinition {
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly listKind: string
  readonly plural: string
  readonly singular: string
  readonly shortNames: readonly string[]
  readonly categories: readonly string[]
  readonly namespaced: boolean
  /** Status is kept apart: written only through the subresource. */
  readonly status: boolean
  readonly scale: boolean
  /** What `metadata.generation` counts: changes of the spec, of everything but metadata and status, or nothing. */
  readonly generation: 'spec' | 'content' | 'none'
  /** Built-in types have a fixed schema and take strategic merge patches; custom ones do not. */
  readonly builtIn: boolean
  /** DELETE answers with the object rather than with a Status. */
  readonly returnsDeleted: boolean
  /** The columns a CustomResourceDefinition has for `kubectl get`. */
  readonly printerColumns?: readonly PrinterColumn[]
  /** Where the objects are; shared by all versions of a kind. */
  readonly storageKey: string
}

export interface PrinterColumn {
  readonly name: string
  readonly type: string
  readonly jsonPath: string
  readonly priority?: number
}

interface Short {
  shortNames?: readonly string[]
  categories?: readonly string[]
  namespaced?: boolean
  status?: boolean
  scale?: boolean
  generation?: ResourceDefinition['generation']
  returnsDeleted?: boolean
  plural?: string
}

function builtIn(groupVersion: string, kind: string, o: Short = {}): ResourceDefinition {
  const [group, version] = groupVersion.includes('/')
    ? (groupVersion.split('/') as [string, string])
    : ['', groupVersion]
  const singular = kind.toLowerCase()
  const plural = o.plural ?? (singular.endsWith('s') ? `${singular}es` : `${singular}s`)
  return {
    group,
    version,
    kind,
    listKind: `${kind}List`,
    plural,
    singular,
    shortNames: o.shortNames ?? [],
    categories: o.categories ?? [],
    namespaced: o.namespaced ?? true,
    status: o.status ?? false,
    scale: o.scale ?? false,
    generation: o.generation ?? 'none',
    builtIn: true,
    returnsDeleted: o.returnsDeleted ?? false,
    storageKey: `${group}/${plural}`
  }
}

const all = ['all']

/** The kinds that are served without a CustomResourceDefinition. RBAC is stored and not enforced. */
export const builtInResources: readonly ResourceDefinition[] = [
  builtIn('v1', 'Namespace', { shortNames: ['ns'], namespaced: false, status: true, returnsDeleted: true }),
  builtIn('v1', 'Pod', { shortNames: ['po'], categories: all, status: true, generation: 'spec', returnsDeleted: true }),
  builtIn('v1', 'Service', { shortNames: ['svc'], categories: all, status: true, returnsDeleted: true }),
  builtIn('v1', 'ServiceAccount', { shortNames: ['sa'], returnsDeleted: true }),
  builtIn('v1', 'ConfigMap', { shortNames: ['cm'] }),
  builtIn('v1', 'Secret'),
  builtIn('v1', 'Node', { shortNames: ['no'], namespaced: false, status: true }),
  builtIn('v1', 'Endpoints', { shortNames: ['ep'], plural: 'endpoints' }),
  builtIn('v1', 'Event', { shortNames: ['ev'] }),
  builtIn('v1', 'LimitRange', { shortNames: ['limits'] }),
  builtIn('v1', 'ResourceQuota', { shortNames: ['quota'], status: true, returnsDeleted: true }),
  builtIn('apps/v1', 'Deployment', {
    shortNames: ['deploy'],
    categories: all,
    status: true,
    scale: true,
    generation: 'spec'
  }),
  builtIn('apps/v1', 'ReplicaSet', {
    shortNames: ['rs'],
    categories: all,
    status: true,
    scale: true,
    generation: 'spec'
  }),
  builtIn('apps/v1', 'DaemonSet', { shortNames: ['ds'], categories: all, status: true, generation: 'spec' }),
  builtIn('apps/v1', 'StatefulSet', {
    shortNames: ['sts'],
    categories: all,
    status: true,
    scale: true,
    generation: 'spec'
  }),
  builtIn('apps/v1', 'ControllerRevision'),
  builtIn('batch/v1', 'Job', { categories: all, status: true, generation: 'spec' }),
  builtIn('autoscaling/v2', 'HorizontalPodAutoscaler', { shortNames: ['hpa'], categories: all, status: true }),
  builtIn('policy/v1', 'PodDisruptionBudget', { shortNames: ['pdb'], status: true, generation: 'spec' }),
  builtIn('discovery.k8s.io/v1', 'EndpointSlice', { generation: 'content' }),
  builtIn('coordination.k8s.io/v1', 'Lease'),
  builtIn('networking.k8s.io/v1', 'NetworkPolicy', {
    shortNames: ['netpol'],
    plural: 'networkpolicies',
    generation: 'spec'
  }),
  builtIn('networking.k8s.io/v1', 'Ingress', {
    shortNames: ['ing'],
    plural: 'ingresses',
    status: true,
    generation: 'spec'
  }),
  builtIn('networking.k8s.io/v1', 'IngressClass', {
    plural: 'ingressclasses',
    namespaced: false,
    generation: 'spec'
  }),
  builtIn('rbac.authorization.k8s.io/v1', 'Role'),
  builtIn('rbac.authorization.k8s.io/v1', 'RoleBinding'),
  builtIn('rbac.authorization.k8s.io/v1', 'ClusterRole', { namespaced: false }),
  builtIn('rbac.authorization.k8s.io/v1', 'ClusterRoleBinding', { namespaced: false }),
  builtIn('scheduling.k8s.io/v1', 'PriorityClass', {
    shortNames: ['pc'],
    plural: 'priorityclasses',
    namespaced: false
  }),
  builtIn('admissionregistration.k8s.io/v1', 'MutatingWebhookConfiguration', {
    namespaced: false,
    generation: 'content'
  }),
  builtIn('admissionregistration.k8s.io/v1', 'ValidatingWebhookConfiguration', {
    namespaced: false,
    generation: 'content'
  }),
  builtIn('apiextensions.k8s.io/v1', 'CustomResourceDefinition', {
    shortNames: ['crd', 'crds'],
    categories: ['api-extensions'],
    namespaced: false,
    status: true,
    generation: 'spec'
  })
]
