import { ZdsError } from './errors.ts'
import type { ZdsRequest } from './messages.ts'

/** A request that waits to be sent, and its caller. */
export interface QueuedRequest {
  readonly request: ZdsRequest
  /** The descriptor to send along, kept open by the queue's owner; undefined: none. */
  readonly fd: number | undefined
  /** Settles the caller's promise, if the caller is still there: the text of a nack, or undefined. */
  readonly resolve: (nack: string | undefined) => void
  readonly reject: (error: ZdsError) => void
  /** Called once when the request has been sent or never will be. */
  readonly release: () => void
}

/** Requests beyond this many are not in line yet: when their caller gives up they are dropped unsent. */
const capacity = 100

/** The requests of one connection, in order (docs/spec/zds.md 2.3). */
export interface RequestQueue {
  push(entry: Omit<QueuedRequest, 'resolve' | 'reject'>, signal?: AbortSignal): Promise<string | undefined>
  shift(): QueuedRequest | undefined
  readonly length: number
  /** Rejects everyone in line, and everyone to come. */
  end(): void
}

export function createRequestQueue(onPush: () => void): RequestQueue {
  const entries: QueuedRequest[] = []
  let ended = false
  const closed = (): ZdsError => new ZdsError('ZDS_CLOSED', 'connection closed before the request was answered')
  return {
    get length() {
      return entries.length
    },
    push(input, signal) {
      return new Promise((resolve, reject) => {
        const aborted = (): ZdsError =>
          new ZdsError('ZDS_ABORTED', 'context expired before the request was answered', { cause: signal?.reason })
        if (ended || signal?.aborted) {
          input.release()
          reject(ended ? closed() : aborted())
          return
        }
        const onAbort = (): void => {
          reject(aborted())
          const position = entries.indexOf(entry)
          if (position < capacity) return
          entries.splice(position, 1)
          entry.release()
        }
        const entry: QueuedRequest = {
          ...input,
          resolve: nack => {
            signal?.removeEventListener('abort', onAbort)
            resolve(nack)
          },
          reject: error => {
            signal?.removeEventListener('abort', onAbort)
            reject(error)
          }
        }
        signal?.addEventListener('abort', onAbort)
        entries.push(entry)
        onPush()
      })
    },
    shift: () => entries.shift(),
    end() {
      ended = true
      for (const entry of entries.splice(0)) {
        entry.release()
        entry.reject(closed())
      }
    }
  }
}
