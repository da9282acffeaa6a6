/**
 * The Kubernetes API as the mesh uses it: typed objects (Kubernetes, Istio, Gateway API), a small client over HTTPS,
 * informers, and kubeconfig loading through @kubernetes/client-node.
 *
 *     const client = createKubernetesClient(await loadClusterAccess({ get: name => process.env[name] }))
 *     const informer = createInformer(client, pods, { fieldSelector: 'spec.nodeName=node-1' })
 *     informer.on({ added: pod => console.log(pod.metadata?.name) })
 *     await informer.start({ signal })
 */
export { createKubernetesClient } from './client.ts'
export type {
  DeleteOptions,
  KubernetesClient,
  ListOptions,
  PatchOptions,
  RawRequest,
  WatchEvent,
  WatchOptions,
  WriteOptions
} from './client-types.ts'
export type { ClusterAccess } from './cluster-access.ts'
export { KubernetesError, type KubernetesErrorCode } from './errors.ts'
export type { Gateway, GatewayAddress, GatewayClass, GatewayListener } from './gateway-objects.ts'
export { createInformer } from './informer.ts'
export type { Informer, InformerHandler, InformerOptions } from './informer-types.ts'
export type {
  AuthorizationCondition,
  AuthorizationOperation,
  AuthorizationPolicy,
  AuthorizationRule,
  AuthorizationSource,
  IstioCondition,
  IstioStatus,
  MutualTlsMode,
  PeerAuthentication,
  PolicyTargetReference,
  ServiceEntry,
  ServiceEntryPort,
  WorkloadEntry,
  WorkloadEntrySpec,
  WorkloadSelector
} from './istio-objects.ts'
export { kubeConfigFromText, loadClusterAccess } from './kubeconfig.ts'
export { type Labels, type LabelSelector, matchesLabelSelector } from './label-selector.ts'
export type {
  AsJson,
  CoreV1Event,
  KubernetesList,
  KubernetesObject,
  ObjectRef,
  V1ClusterRole,
  V1ClusterRoleBinding,
  V1Condition,
  V1ConfigMap,
  V1Container,
  V1ContainerStatus,
  V1CustomResourceDefinition,
  V1DaemonSet,
  V1Deployment,
  V1Endpoint,
  V1Endpoints,
  V1EndpointSlice,
  V1LabelSelector,
  V1Lease,
  V1Namespace,
  V1NetworkPolicy,
  V1Node,
  V1ObjectMeta,
  V1OwnerReference,
  V1Pod,
  V1PodCondition,
  V1PodSpec,
  V1PodStatus,
  V1Probe,
  V1ReplicaSet,
  V1Role,
  V1RoleBinding,
  V1Secret,
  V1Service,
  V1ServiceAccount,
  V1ServicePort,
  V1TokenRequest,
  V1TokenReview,
  V1ValidatingWebhookConfiguration,
  V1Volume
} from './objects.ts'
export { apiVersionOf, objectPath, type Resource, resource } from './resource.ts'
export {
  authorizationPolicies,
  clusterRoleBindings,
  clusterRoles,
  configMaps,
  customResourceDefinitions,
  daemonSets,
  deployments,
  endpointSlices,
  endpoints,
  events,
  gatewayClasses,
  gateways,
  knownResources,
  leases,
  namespaces,
  networkPolicies,
  nodes,
  peerAuthentications,
  pods,
  replicaSets,
  roleBindings,
  roles,
  secrets,
  serviceAccounts,
  serviceEntries,
  services,
  tokenReviews,
  validatingWebhookConfigurations,
  workloadEntries
} from './resources.ts'
export { decodeSecretValue, encodeSecretValue, matchesLabels, objectKey } from './object-facts.ts'
