import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { SpdyStream } from '../spdy/session.ts'

export type OpenPort = (port: number) => Promise<Duplex>

/**
 * Pairs the streams of a port-forward: each connection has one for data and one for errors, told apart by headers.
 * Kubernetes' client opens the error stream first, but nothing relies on it.
 */
export function createPortForwarder(openPort: OpenPort): (stream: SpdyStream) => void {
  const waiting = new Map<string, { data?: SpdyStream; error?: SpdyStream }>()

  return stream => {
    const { streamtype, port, requestid = port ?? '' } = stream.headers
    const number = Number(port)
    if ((streamtype !== 'data' && streamtype !== 'error') || !(number >= 1 && number <= 65_535)) {
      stream.destroy()
      return
    }
    const pair = waiting.get(requestid) ?? {}
    pair[streamtype] = stream
    waiting.set(requestid, pair)
    const { data, error } = pair
    if (data === undefined || error === undefined) {
      stream.once('close', () => void (waiting.get(requestid) === pair && waiting.delete(requestid)))
      return
    }
    waiting.delete(requestid)
    void forward(data, error, number, openPort)
  }
}

async function forward(data: SpdyStream, error: SpdyStream, port: number, openPort: OpenPort): Promise<void> {
  error.resume()
  try {
    const target = await openPort(port)
    data.once('close', () => target.destroy())
    await Promise.all([pipeline(data, target, { end: true }), pipeline(target, data)])
  } catch (cause) {
    if (!data.destroyed || !error.destroyed) {
      error.write(`error forwarding port ${port}: ${cause instanceof Error ? cause.message : String(cause)}`)
    }
  }
  data.end()
  error.end()
}
