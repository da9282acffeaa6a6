import type http2 from 'node:http2'

/** docs/spec/hbone.md 1.7, in milliseconds. */
const PING_INTERVAL = 10_000
const PING_TIMEOUT = 20_000

/**
 * Sends a PING 10 s after the start and 10 s after each answer, whether or not traffic flows; `onLost` is called once
 * when none comes within 20 s. Ends by itself with the session.
 */
export function watchWithPings(session: http2.Http2Session, onLost: () => void): void {
  let timer: NodeJS.Timeout | undefined
  const schedule = (call: () => void, milliseconds: number): void => {
    clearTimeout(timer)
    timer = setTimeout(call, milliseconds).unref()
  }
  const ping = (): void => {
    if (session.destroyed) return
    schedule(onLost, PING_TIMEOUT)
    session.ping(error => {
      if (error === null && !session.destroyed) schedule(ping, PING_INTERVAL)
    })
  }
  schedule(ping, PING_INTERVAL)
  session.once('close', () => clearTimeout(timer))
}
