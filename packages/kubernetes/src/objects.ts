import type * as client from '@kubernetes/client-node'

/**
 * The library's object types as they travel: JSON has no Date, so a timestamp is a string here. (The library's own
 * request classes convert; a watch of raw JSON does not, which is why its types would promise methods that are not there.)
 */
export type AsJson<T> = 0 extends 1 & T
  ? T
  : T extends Date
    ? string
    : T extends (infer Item)[]
      ? AsJson<Item>[]
      : T extends object
        ? { [Key in keyof T]: AsJson<T[Key]> }
        : T

export interface KubernetesObject {
  apiVersion?: string
  kind?: string
  metadata?: V1ObjectMeta
}

export interface KubernetesList<T extends KubernetesObject> {
  items: T[]
  resourceVersion: string
}

/** Names one object; `namespace` only for namespaced kinds. */
export interface ObjectRef {
  readonly namespace?: string | undefined
  readonly name: string
}

export type V1ObjectMeta = AsJson<client.V1ObjectMeta>
export type V1OwnerReference = AsJson<client.V1OwnerReference>
export type V1Pod = AsJson<client.V1Pod>
export type V1PodSpec = AsJson<client.V1PodSpec>
export type V1PodStatus = AsJson<client.V1PodStatus>
export type V1Container = AsJson<client.V1Container>
export type V1ContainerStatus = AsJson<client.V1ContainerStatus>
export type V1PodCondition = AsJson<client.V1PodCondition>
export type V1Probe = AsJson<client.V1Probe>
export type V1Volume = AsJson<client.V1Volume>
export type V1Namespace = AsJson<client.V1Namespace>
export type V1Node = AsJson<client.V1Node>
export type V1Service = AsJson<client.V1Service>
export type V1ServicePort = AsJson<client.V1ServicePort>
export type V1ServiceAccount = AsJson<client.V1ServiceAccount>
export type V1ConfigMap = AsJson<client.V1ConfigMap>
export type V1Secret = AsJson<client.V1Secret>
export type V1Endpoints = AsJson<client.V1Endpoints>
export type V1EndpointSlice = AsJson<client.V1EndpointSlice>
export type V1Endpoint = AsJson<client.V1Endpoint>
export type V1Deployment = AsJson<client.V1Deployment>
export type V1ReplicaSet = AsJson<client.V1ReplicaSet>
export type V1DaemonSet = AsJson<client.V1DaemonSet>
export type V1Lease = AsJson<client.V1Lease>
export type CoreV1Event = AsJson<client.CoreV1Event>
export type V1TokenReview = AsJson<client.V1TokenReview>
export type V1TokenRequest = AsJson<client.AuthenticationV1TokenRequest>
export type V1CustomResourceDefinition = AsJson<client.V1CustomResourceDefinition>
export type V1Role = AsJson<client.V1Role>
export type V1RoleBinding = AsJson<client.V1RoleBinding>
export type V1ClusterRole = AsJson<client.V1ClusterRole>
export type V1ClusterRoleBinding = AsJson<client.V1ClusterRoleBinding>
export type V1ValidatingWebhookConfiguration = AsJson<client.V1ValidatingWebhookConfiguration>
export type V1NetworkPolicy = AsJson<client.V1NetworkPolicy>
export type V1Condition = AsJson<client.V1Condition>
export type V1LabelSelector = AsJson<client.V1LabelSelector>
