import { type KubernetesClient, KubernetesError, pods, type V1Pod } from '@culvert/kubernetes'
import { NodeAgentError, reasonOf } from '../errors.ts'
import { podName, type Redirection, redirectionAnnotation } from './pod-facts.ts'

/** Writes the pod's state, or with undefined takes it away; a pod that is gone has nothing to take away. */
export type Annotate = (pod: V1Pod, redirection: Redirection | undefined) => Promise<void>

/** As a merge patch on the status, which needs less privilege than patching pods (docs/spec/cni.md 4.4). */
export function createAnnotate(client: Pick<KubernetesClient, 'patch'>): Annotate {
  return async (pod, redirection) => {
    const { namespace, name } = pod.metadata!
    const patch = { metadata: { annotations: { [redirectionAnnotation]: redirection ?? null } } }
    try {
      await client.patch(pods, { namespace: namespace!, name: name! }, patch, { type: 'merge', subresource: 'status' })
    } catch (error) {
      const gone = error instanceof KubernetesError && error.code === 'KUBERNETES_NOT_FOUND'
      if (gone && redirection === undefined) return
      throw new NodeAgentError(
        'AGENT_ANNOTATION',
        `cannot set annotation ${redirectionAnnotation} of pod ${podName(pod)} to ${redirection ?? 'nothing'}: ${reasonOf(error)}`,
        { cause: error }
      )
    }
  }
}
