import type { KubernetesObject, Resource, V1Pod, V1ReplicaSet } from '@culvert/kubernetes'
import { controllerReference } from './ownership.ts'

export type PodTemplate = NonNullable<NonNullable<V1ReplicaSet['spec']>['template']>

/** A pod of an owner: the template with a name to be completed and a reference to the owner. */
export function podFromTemplate(
  owner: KubernetesObject,
  resource: Resource,
  template: PodTemplate,
  labels: Readonly<Record<string, string>> = {}
): V1Pod {
  const { annotations, finalizers } = template.metadata ?? {}
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: `${owner.metadata?.name}-`,
      namespace: owner.metadata?.namespace ?? '',
      labels: { ...template.metadata?.labels, ...labels },
      ...(annotations === undefined ? {} : { annotations }),
      ...(finalizers === undefined ? {} : { finalizers }),
      ownerReferences: [controllerReference(owner, resource)]
    },
    ...(template.spec === undefined ? {} : { spec: structuredClone(template.spec) })
  }
}
