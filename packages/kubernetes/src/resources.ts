import type { Gateway, GatewayClass } from './gateway-objects.ts'
import type { AuthorizationPolicy, PeerAuthentication, ServiceEntry, WorkloadEntry } from './istio-objects.ts'
import type * as core from './objects.ts'
import { type Resource, resource } from './resource.ts'

export const pods: Resource<core.V1Pod> = resource('', 'v1', 'pods', 'Pod')
export const services: Resource<core.V1Service> = resource('', 'v1', 'services', 'Service')
export const serviceAccounts: Resource<core.V1ServiceAccount> = resource('', 'v1', 'serviceaccounts', 'ServiceAccount')
export const configMaps: Resource<core.V1ConfigMap> = resource('', 'v1', 'configmaps', 'ConfigMap')
export const secrets: Resource<core.V1Secret> = resource('', 'v1', 'secrets', 'Secret')
export const events: Resource<core.CoreV1Event> = resource('', 'v1', 'events', 'Event')
export const endpoints: Resource<core.V1Endpoints> = resource('', 'v1', 'endpoints', 'Endpoints')
export const namespaces: Resource<core.V1Namespace> = resource('', 'v1', 'namespaces', 'Namespace', 'cluster')
export const nodes: Resource<core.V1Node> = resource('', 'v1', 'nodes', 'Node', 'cluster')

export const deployments: Resource<core.V1Deployment> = resource('apps', 'v1', 'deployments', 'Deployment')
export const replicaSets: Resource<core.V1ReplicaSet> = resource('apps', 'v1', 'replicasets', 'ReplicaSet')
export const daemonSets: Resource<core.V1DaemonSet> = resource('apps', 'v1', 'daemonsets', 'DaemonSet')
export const leases: Resource<core.V1Lease> = resource('coordination.k8s.io', 'v1', 'leases', 'Lease')
export const networkPolicies: Resource<core.V1NetworkPolicy> = resource(
  'networking.k8s.io',
  'v1',
  'networkpolicies',
  'NetworkPolicy'
)
export const endpointSlices: Resource<core.V1EndpointSlice> = resource(
  'discovery.k8s.io',
  'v1',
  'endpointslices',
  'EndpointSlice'
)

const rbac = 'rbac.authorization.k8s.io'
export const roles: Resource<core.V1Role> = resource(rbac, 'v1', 'roles', 'Role')
export const roleBindings: Resource<core.V1RoleBinding> = resource(rbac, 'v1', 'rolebindings', 'RoleBinding')
export const clusterRoles: Resource<core.V1ClusterRole> = resource(rbac, 'v1', 'clusterroles', 'ClusterRole', 'cluster')
export const clusterRoleBindings: Resource<core.V1ClusterRoleBinding> = resource(
  rbac,
  'v1',
  'clusterrolebindings',
  'ClusterRoleBinding',
  'cluster'
)

export const tokenReviews: Resource<core.V1TokenReview> = resource(
  'authentication.k8s.io',
  'v1',
  'tokenreviews',
  'TokenReview',
  'cluster'
)
export const customResourceDefinitions: Resource<core.V1CustomResourceDefinition> = resource(
  'apiextensions.k8s.io',
  'v1',
  'customresourcedefinitions',
  'CustomResourceDefinition',
  'cluster'
)
export const validatingWebhookConfigurations: Resource<core.V1ValidatingWebhookConfiguration> = resource(
  'admissionregistration.k8s.io',
  'v1',
  'validatingwebhookconfigurations',
  'ValidatingWebhookConfiguration',
  'cluster'
)

export const authorizationPolicies: Resource<AuthorizationPolicy> = resource(
  'security.istio.io',
  'v1',
  'authorizationpolicies',
  'AuthorizationPolicy'
)
export const peerAuthentications: Resource<PeerAuthentication> = resource(
  'security.istio.io',
  'v1',
  'peerauthentications',
  'PeerAuthentication'
)
export const serviceEntries: Resource<ServiceEntry> = resource(
  'networking.istio.io',
  'v1',
  'serviceentries',
  'ServiceEntry'
)
export const workloadEntries: Resource<WorkloadEntry> = resource(
  'networking.istio.io',
  'v1',
  'workloadentries',
  'WorkloadEntry'
)
export const gateways: Resource<Gateway> = resource('gateway.networking.k8s.io', 'v1', 'gateways', 'Gateway')
export const gatewayClasses: Resource<GatewayClass> = resource(
  'gateway.networking.k8s.io',
  'v1',
  'gatewayclasses',
  'GatewayClass',
  'cluster'
)

/** Kinds known without asking the server; `applyManifest` discovers the rest. */
export const knownResources: readonly Resource[] = [
  pods,
  services,
  serviceAccounts,
  configMaps,
  secrets,
  events,
  endpoints,
  namespaces,
  nodes,
  deployments,
  replicaSets,
  daemonSets,
  leases,
  networkPolicies,
  endpointSlices,
  roles,
  roleBindings,
  clusterRoles,
  clusterRoleBindings,
  tokenReviews,
  customResourceDefinitions,
  validatingWebhookConfigurations,
  authorizationPolicies,
  peerAuthentications,
  serviceEntries,
  workloadEntries,
  gateways,
  gatewayClasses
]
