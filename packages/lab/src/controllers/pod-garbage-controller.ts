import { pods as podResource, type V1Pod } from '@culvert/kubernetes'
import { type Controller, type ControllerOptions, informersOf, reportUnlessPassing } from './controller.ts'
import { splitKey } from './ownership.ts'
import { createWorkQueue } from './work-queue.ts'

/** Removes pods of nodes that are gone: no kubelet is left to say that they ended. */
export function createPodGarbageController(options: ControllerOptions): Controller {
  const { client } = options
  const informers = informersOf(options)
  const pods = informers.of('pods')
  const nodes = informers.of('nodes')
  return {
    async start({ signal }) {
      const queue = createWorkQueue({
        signal,
        onError: reportUnlessPassing(options),
        async reconcile(key) {
          const pod = pods.get(...splitKey(key))
          const { nodeName } = pod?.spec ?? {}
          if (pod === undefined || nodeName === undefined || nodes.get(undefined, nodeName) !== undefined) return
          const { namespace, name, uid } = pod.metadata!
          await client.delete(podResource, { namespace, name: name! }, { uid, gracePeriodSeconds: 0 })
        }
      })
      const touch = ({ metadata }: V1Pod): void => queue.add(`${metadata?.namespace}/${metadata?.name}`)
      await informers.start({ signal })
      nodes.on({
        deleted: ({ metadata }) => {
          for (const pod of pods.list()) if (pod.spec?.nodeName === metadata?.name) touch(pod)
        }
      })
    }
  }
}
