import { type KubernetesClient, KubernetesError, pods, type V1Pod, type V1PodStatus } from '@culvert/kubernetes'
import { createBackOff, pause } from './back-off.ts'

/** Keeps a pod's status in the API at what it was last told. */
export interface StatusWriter {
  /** Writes the status soon; one written while another is on its way replaces those in between. */
  set(status: V1PodStatus): void
  /** Resolves when everything told so far is written, or cannot be because the pod is gone. */
  settled(): Promise<void>
}

export function createStatusWriter(
  client: KubernetesClient,
  pod: V1Pod,
  options: { signal: AbortSignal; onError: (error: unknown) => void }
): StatusWriter {
  const { namespace, name, uid } = pod.metadata!
  const backOff = createBackOff(100, 5000)
  let wanted: V1PodStatus | undefined
  let written = ''
  let writing: Promise<void> | undefined
  let gone = false

  const write = async (): Promise<void> => {
    while (wanted !== undefined && !gone && !options.signal.aborted) {
      const status = wanted
      wanted = undefined
      const text = JSON.stringify(status)
      if (text === written) continue
      try {
        // With the uid, a successor of the same name is refused rather than changed.
        await client.patch(
          pods,
          { namespace, name: name! },
          { metadata: { uid }, status },
          {
            type: 'merge',
            subresource: 'status'
          }
        )
        written = text
        backOff.reset()
      } catch (error) {
        gone = error instanceof KubernetesError && (error.status === 404 || error.status === 409)
        if (gone) return
        options.onError(error)
        wanted ??= status
        await pause(backOff.next(), options.signal)
      }
    }
  }

  const begin = (): void => {
    // One turn later, so that changes made together are written together.
    writing ??= Promise.resolve()
      .then(write)
      .finally(() => {
        writing = undefined
        if (wanted !== undefined && !gone && !options.signal.aborted) begin()
      })
  }

  return {
    set: status => {
      wanted = status
      begin()
    },
    settled: async () => {
      while (writing !== undefined) await writing
    }
  }
}
