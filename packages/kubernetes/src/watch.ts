import type { IncomingMessage } from 'node:http'
import type { WatchEvent } from './client-types.ts'
import { codeForStatus, KubernetesError } from './errors.ts'
import { transportError } from './http.ts'
import type { KubernetesObject } from './objects.ts'

// etcd refuses objects above 1.5 MiB; a line far beyond that is not a watch event.
const maxLineBytes = 64 * 1024 * 1024

interface RawEvent {
  type?: unknown
  object?: { code?: number; reason?: string; message?: string } | null
}

export function parseWatchEvent<T extends KubernetesObject>(line: string): WatchEvent<T> {
  let event: RawEvent | null
  try {
    event = JSON.parse(line) as RawEvent | null
  } catch (error) {
    const start = JSON.stringify(line.slice(0, 80))
    throw new KubernetesError('KUBERNETES_BAD_RESPONSE', `watch: not a JSON event: ${start}`, { cause: error })
  }
  const { type, object } = event ?? {}
  if (type === 'ERROR') {
    const status = object?.code ?? 500
    throw new KubernetesError(
      codeForStatus(status, object?.reason),
      `watch: ${status} ${object?.message ?? 'without a message'}`,
      { status, ...(object?.reason === undefined ? {} : { reason: object.reason }) }
    )
  }
  const known = type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED' || type === 'BOOKMARK'
  if (!known || typeof object !== 'object' || object === null) {
    throw new KubernetesError('KUBERNETES_BAD_RESPONSE', `watch: unknown event type ${JSON.stringify(type)}`)
  }
  return event as unknown as WatchEvent<T>
}

/** Splits the body of a watch into its events. Leaving the loop early closes the connection. */
export async function* watchEvents<T extends KubernetesObject>(
  response: IncomingMessage,
  signal?: AbortSignal
): AsyncGenerator<WatchEvent<T>> {
  let pending: Buffer[] = []
  let pendingBytes = 0
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      let start = 0
      for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
        const line = Buffer.concat([...pending, chunk.subarray(start, end)]).toString('utf8')
        pending = []
        pendingBytes = 0
        start = end + 1
        if (line.trim() !== '') yield parseWatchEvent<T>(line)
      }
      const rest = chunk.subarray(start)
      pendingBytes += rest.length
      if (pendingBytes > maxLineBytes) {
        throw new KubernetesError('KUBERNETES_BAD_RESPONSE', `watch: an event of more than ${maxLineBytes} bytes`)
      }
      if (rest.length > 0) pending.push(rest)
    }
  } catch (error) {
    throw transportError(error, 'watch', signal)
  } finally {
    response.destroy()
  }
}
