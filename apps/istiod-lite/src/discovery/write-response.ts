import type { EventEmitter } from 'node:events'

interface Writable<Response> extends EventEmitter {
  readonly cancelled: boolean
  readonly writableEnded: boolean
  write(response: Response): boolean
}

/** Resolves when the stream takes more: at once, when the client has read enough, or when it has gone. */
export function writeResponse<Response>(call: Writable<Response>, response: Response): Promise<void> {
  // Of a stream that has ended no event would come any more, and the push would be under way for ever.
  if (call.cancelled || call.writableEnded) return Promise.resolve()
  if (call.write(response)) return Promise.resolve()
  return new Promise(resolve => {
    const done = (): void => {
      call.off('drain', done)
      call.off('close', done)
      call.off('cancelled', done)
      resolve()
    }
    call.once('drain', done)
    call.once('close', done)
    call.once('cancelled', done)
  })
}
