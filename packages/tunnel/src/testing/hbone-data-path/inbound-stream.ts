import type net from 'node:net'
import { type HboneServerStream, join, tcpSide } from '@culvert/hbone'
import type { Direct } from '../../data-path.ts'
import { type CapturedContext, sourceToTake } from './captured-connection.ts'
import { connectDetail, tunnelFailure } from './failure.ts'
import type { LiveConnection } from './live-connections.ts'

/** A request on the HBONE listener, from its decision to its end. */
export async function serveInboundStream(
  context: CapturedContext,
  stream: HboneServerStream,
  connection: LiveConnection
): Promise<void> {
  const { handler, live } = context
  const decision = await handler.stream({
    id: connection.id,
    source: stream.peer,
    local: stream.local,
    peerIdentity: stream.peerIdentity,
    method: stream.method,
    authority: stream.authority,
    headers: stream.headers
  })
  connection.decided = true
  if (decision.kind === 'answer') {
    stream.answer(decision.status)
    live.finish(connection)
    return
  }
  await serveDirect(context, stream, connection, decision)
}

async function serveDirect(
  { handler, live, sockets, originalSource }: CapturedContext,
  stream: HboneServerStream,
  connection: LiveConnection,
  decision: Direct
): Promise<void> {
  stream.onClose(() => connection.abort.abort(new Error('the stream was closed')))
  let application: net.Socket
  try {
    application = await sockets.connect(decision.to, {
      from: sourceToTake(decision, originalSource),
      signal: connection.abort.signal
    })
  } catch (error) {
    const detail = stream.gone ? 'the stream was reset before its answer' : connectDetail(error)
    stream.answer(503)
    live.finish(connection, { code: 'CONNECTION_FAILED', detail })
    return
  }
  let client: ReturnType<HboneServerStream['accept']>
  try {
    client = stream.accept(decision.responseHeaders)
  } catch (error) {
    application.destroy()
    live.finish(connection, tunnelFailure(error))
    return
  }
  handler.opened({ id: connection.id })
  if (decision.preface !== undefined) application.write(decision.preface)
  await live.follow(connection, join(client, tcpSide(application)))
}
