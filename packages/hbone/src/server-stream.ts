import http2 from 'node:http2'
import type { Address } from './address.ts'
import { type HeaderField, headerObject } from './connect-request.ts'
import { HboneError } from './errors.ts'
import { streamSide, type Side, type TunnelLoss } from './side.ts'

/** A request on an accepted tunnel, before it is answered. */
export interface HboneServerStream {
  /** The peer of the tunnel's TCP connection, and its local address. */
  readonly peer: Address
  readonly local: Address
  /** First SPIFFE id in the client's leaf. */
  readonly peerIdentity: string | undefined
  readonly method: string
  readonly authority: string | undefined
  /** Regular header lines in order, names in lower case. */
  readonly headers: readonly HeaderField[]
  /** The stream is over: reset by its peer or lost with its tunnel. */
  readonly gone: boolean
  /** Called once when the stream ends, however it does. */
  onClose: (listener: () => void) => void
  /** Answers 200 and opens both directions; throws an HboneError when the stream is gone. */
  accept: (headers?: readonly HeaderField[]) => Side
  /** Answers with a status alone, END_STREAM and no body, then RST_STREAM NO_ERROR. */
  answer: (status: number) => void
  /** RST_STREAM CANCEL without an answer. */
  abandon: () => void
}

// Answers carry a status and baggage alone; Node would add a date. The option is missing in Node's types.
const NO_DATE = { sendDate: false } as http2.ServerStreamResponseOptions

export function createServerStream({
  stream,
  lost,
  ...request
}: Pick<HboneServerStream, 'peer' | 'local' | 'peerIdentity' | 'method' | 'authority' | 'headers'> & {
  readonly stream: http2.ServerHttp2Stream
  readonly lost: () => TunnelLoss
}): HboneServerStream {
  const side = streamSide(stream, lost)
  return {
    ...request,
    get gone() {
      return stream.closed || stream.destroyed
    },
    onClose(listener) {
      if (stream.destroyed) queueMicrotask(listener)
      else stream.once('close', listener)
    },
    accept(headers = []) {
      if (stream.closed || stream.destroyed)
        throw new HboneError('HBONE_HTTP2', 'the stream was reset before its answer')
      stream.respond({ ':status': 200, ...headerObject(headers) }, NO_DATE)
      return side
    },
    answer(status) {
      if (stream.closed || stream.destroyed) return
      stream.respond({ ':status': status }, { ...NO_DATE, endStream: true })
      // The request's data was not read and is not wanted.
      stream.close(http2.constants.NGHTTP2_NO_ERROR)
    },
    abandon: side.abandon
  }
}
