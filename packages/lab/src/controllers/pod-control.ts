import { type Informer, type KubernetesClient, type KubernetesObject, pods, type V1Pod } from '@culvert/kubernetes'
import { controllerOf } from './ownership.ts'

/**
 * The pods of owners as they will be once the informer has caught up with what this process itself did: without that, a
 * controller called again too early would make its pods twice.
 */
export interface PodControl {
  owned(owner: KubernetesObject): V1Pod[]
  create(pod: V1Pod): Promise<void>
  delete(pod: V1Pod): Promise<void>
}

export function createPodControl(client: KubernetesClient, informer: Informer<V1Pod>): PodControl {
  const created = new Map<string, V1Pod>()
  const deleted = new Set<string>()
  const byOwner = new Map<string, Map<string, V1Pod>>()

  function see(pod: V1Pod, gone: boolean): void {
    const uid = pod.metadata?.uid ?? ''
    created.delete(uid)
    if (gone || pod.metadata?.deletionTimestamp !== undefined) deleted.delete(uid)
    const owner = controllerOf(pod)?.uid
    if (owner === undefined) return
    const pods = byOwner.get(owner) ?? new Map<string, V1Pod>()
    byOwner.set(owner, pods)
    if (gone) pods.delete(uid)
    else pods.set(uid, pod)
    if (pods.size === 0) byOwner.delete(owner)
  }

  informer.on({
    added: pod => see(pod, false),
    updated: (_, pod) => see(pod, false),
    deleted: pod => see(pod, true)
  })

  return {
    owned(owner) {
      const uid = owner.metadata?.uid ?? ''
      const own = [...created.values()].filter(pod => controllerOf(pod)?.uid === uid)
      const known = [...(byOwner.get(uid)?.values() ?? [])]
      return [...known, ...own].filter(pod => !deleted.has(pod.metadata?.uid ?? ''))
    },
    async create(pod) {
      const made = await client.create(pods, pod)
      const { namespace, name, uid } = made.metadata!
      if (informer.get(namespace, name!)?.metadata?.uid !== uid) created.set(uid!, made)
    },
    async delete(pod) {
      const { namespace, name, uid } = pod.metadata!
      const found = await client.delete(pods, { namespace, name: name! }, { uid })
      const seen = informer.get(namespace, name!)
      const same = seen?.metadata?.uid === uid
      const stillThere = same && seen?.metadata?.deletionTimestamp === undefined
      if (found && stillThere) deleted.add(uid!)
    }
  }
}
