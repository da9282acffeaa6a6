import { endpointSlices, matchesLabels, objectKey, type V1EndpointSlice, type V1Pod } from '@culvert/kubernetes'
import { type Controller, type ControllerOptions, informersOf, reportUnlessPassing } from './controller.ts'
import { isManaged, sameSlice, serviceNameLabel, slicesFor } from './endpoint-slices.ts'
import { splitKey } from './ownership.ts'
import { createWorkQueue } from './work-queue.ts'

/** Writes down which pods stand behind each service, and which of them are ready. */
export function createEndpointSliceController(options: ControllerOptions): Controller {
  const { client } = options
  const informers = informersOf(options)
  const services = informers.of('services')
  const pods = informers.of('pods')
  const slices = informers.of('endpointSlices')

  return {
    async start({ signal }) {
      const queue = createWorkQueue({ signal, onError: reportUnlessPassing(options), reconcile })
      const touchPod = (pod: V1Pod): void => {
        for (const service of services.list()) {
          const { selector = {} } = service.spec ?? {}
          const chosen = Object.keys(selector).length > 0 && matchesLabels(selector, pod.metadata?.labels)
          if (chosen && service.metadata?.namespace === pod.metadata?.namespace) queue.add(objectKey(service))
        }
      }
      const touchSlice = (slice: V1EndpointSlice): void => {
        const service = slice.metadata?.labels?.[serviceNameLabel]
        if (isManaged(slice) && service !== undefined) queue.add(`${slice.metadata?.namespace}/${service}`)
      }
      await informers.start({ signal })
      services.on({ added: one => queue.add(objectKey(one)), updated: (_, one) => queue.add(objectKey(one)) })
      pods.on({
        added: touchPod,
        // By its old labels it may have been behind another service.
        updated: (old, pod) => {
          touchPod(old)
          touchPod(pod)
        },
        deleted: touchPod
      })
      slices.on({ updated: (_, slice) => touchSlice(slice), deleted: touchSlice })
    }
  }

  async function reconcile(key: string): Promise<void> {
    const [namespace, name] = splitKey(key)
    const service = services.get(namespace, name)
    if (service === undefined || service.metadata?.deletionTimestamp !== undefined) return
    const wanted = slicesFor(
      service,
      pods.list().filter(({ metadata }) => metadata?.namespace === namespace)
    )
    const isOwn = ({ metadata }: V1EndpointSlice): boolean =>
      metadata?.namespace === namespace && metadata.labels?.[serviceNameLabel] === name
    const present = slices.list().filter(slice => isManaged(slice) && isOwn(slice))
    for (const slice of wanted) {
      const before = present.find(({ metadata }) => metadata?.name === slice.metadata?.name)
      if (before === undefined) {
        await client.create(endpointSlices, slice)
      } else if (!sameSlice(before, slice)) {
        await client.replace(endpointSlices, { ...slice, metadata: { ...before.metadata, ...slice.metadata } })
      }
    }
    for (const { metadata } of present) {
      if (wanted.some(slice => slice.metadata?.name === metadata?.name)) continue
      await client.delete(endpointSlices, { namespace, name: metadata!.name! }, { uid: metadata?.uid })
    }
  }
}
