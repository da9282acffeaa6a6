import { randomBytes } from 'node:crypto'
import { events, type KubernetesClient, type V1Pod } from '@culvert/kubernetes'
import { apiTime } from './container-record.ts'

/** Writes Events about pods, as `kubectl describe` shows them. Never fails: an Event is a courtesy. */
export interface EventRecorder {
  record(pod: V1Pod, type: 'Normal' | 'Warning', reason: string, message: string, fieldPath?: string): void
}

interface Written {
  readonly name: string
  readonly firstTimestamp: string
  count: number
}

/** Different Events remembered per pod so that repetitions count up one object. */
const maxRemembered = 1000

export function createEventRecorder(
  client: KubernetesClient,
  node: string,
  onError: (error: unknown) => void
): EventRecorder {
  const written = new Map<string, Written>()
  return {
    record: (pod, type, reason, message, fieldPath) => {
      const { namespace = '', name = '', uid = '' } = pod.metadata ?? {}
      const now = apiTime(new Date())
      const key = JSON.stringify([uid, type, reason, message, fieldPath])
      const known = written.get(key)
      if (known !== undefined) {
        known.count += 1
        const change = { count: known.count, lastTimestamp: now }
        client.patch(events, { namespace, name: known.name }, change, { type: 'merge' }).catch(onError)
        return
      }
      const event: Written = { name: `${name}.${randomBytes(8).toString('hex')}`, firstTimestamp: now, count: 1 }
      if (written.size >= maxRemembered) written.delete(written.keys().next().value!)
      written.set(key, event)
      client
        .create(events, {
          apiVersion: 'v1',
          kind: 'Event',
          metadata: { namespace, name: event.name },
          involvedObject: {
            apiVersion: 'v1',
            kind: 'Pod',
            namespace,
            name,
            uid,
            ...(fieldPath === undefined ? {} : { fieldPath })
          },
          type,
          reason,
          message,
          count: 1,
          firstTimestamp: now,
          lastTimestamp: now,
          source: { component: 'kubelet', host: node }
        })
        .catch(onError)
    }
  }
}
