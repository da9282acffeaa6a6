import type net from 'node:net'
import { join, openTunnel, type Side, tcpSide, type TunnelPool, type TunnelStream } from '@culvert/hbone'
import type { CapturedConnection, Direct, Hop, Http2Settings, Opened, PodHandler, Tunnel } from '../../data-path.ts'
import { connectDetail, tunnelFailure } from './failure.ts'
import type { LiveConnection, LiveConnections } from './live-connections.ts'
import type { PodSockets } from './sockets.ts'

export interface CapturedContext {
  readonly handler: PodHandler
  readonly live: LiveConnections
  readonly sockets: PodSockets
  readonly pool: TunnelPool
  readonly http2: Http2Settings
  readonly handshakeTimeout: number
  readonly originalSource: boolean
}

/** A connection accepted on the outbound or inbound plaintext listener, from its decision to its end. */
export async function serveCaptured(
  context: CapturedContext,
  socket: net.Socket,
  connection: LiveConnection,
  captured: CapturedConnection
): Promise<void> {
  const { handler, live } = context
  const decision = await handler.connection(captured)
  connection.decided = true
  switch (decision.kind) {
    case 'refuse':
      socket.destroy()
      live.finish(connection)
      return
    case 'direct':
      return await serveDirect(context, socket, connection, captured.role, decision)
    case 'tunnel':
      return await serveTunnel(context, socket, connection, decision)
  }
}

async function serveDirect(
  { handler, live, sockets, originalSource }: CapturedContext,
  client: net.Socket,
  connection: LiveConnection,
  role: CapturedConnection['role'],
  decision: Direct
): Promise<void> {
  let server: net.Socket
  try {
    server = await sockets.connect(decision.to, {
      from: sourceToTake(decision, originalSource),
      signal: connection.abort.signal
    })
  } catch (error) {
    client.destroy()
    const code = role === 'outbound' ? 'IO' : 'CONNECTION_FAILED'
    live.finish(connection, { code, detail: connectDetail(error) })
    return
  }
  handler.opened({ id: connection.id })
  if (decision.preface !== undefined) server.write(decision.preface)
  await live.follow(connection, join(tcpSide(client), tcpSide(server)))
}

/** A pod that calls itself keeps its own address: the kernel refuses to bind it twice. */
export function sourceToTake({ from, to }: Direct, originalSource: boolean): string | undefined {
  return originalSource && from !== to.ip ? from : undefined
}

async function serveTunnel(
  context: CapturedContext,
  client: net.Socket,
  connection: LiveConnection,
  decision: Tunnel
): Promise<void> {
  const { handler, live, pool } = context
  const { signal } = connection.abort
  let outer: TunnelStream | undefined
  let stream: TunnelStream
  try {
    outer = await pool.connect({ to: decision.to, ...decision.outer }, { signal })
    stream = decision.inner === undefined ? outer : await connectInside(context, outer.side, decision.inner, signal)
  } catch (error) {
    outer?.side.abandon()
    client.destroy()
    live.finish(connection, tunnelFailure(error))
    return
  }
  handler.opened(opened(connection, stream))
  await live.follow(connection, join(tcpSide(client), stream.side))
  if (stream !== outer) dropCarrier(outer.side, connection)
}

/** An inner tunnel has one stream and is dropped with it, but what it still holds of that must go out first. */
function dropCarrier({ duplex, abandon }: Side, { cutReason }: LiveConnection): void {
  if (cutReason !== undefined || duplex.writableFinished) abandon()
  else duplex.once('finish', abandon)
}

/** Double HBONE: a second tunnel inside the stream of the first, for one CONNECT. */
async function connectInside(
  { http2, handshakeTimeout }: CapturedContext,
  carrier: Side,
  hop: Hop,
  signal: AbortSignal
): Promise<TunnelStream> {
  const tunnel = await openTunnel(carrier, {
    credential: hop.credential,
    expectedIdentities: hop.expectedIdentities,
    http2,
    handshakeTimeout,
    signal
  })
  tunnel.onStreamEnd(() => tunnel.release())
  try {
    return await tunnel.connect(hop, { signal })
  } catch (error) {
    tunnel.destroy()
    throw error
  }
}

function opened({ id }: LiveConnection, { peerIdentity, responseHeaders }: TunnelStream): Opened {
  const baggage = responseHeaders.filter(([name]) => name === 'baggage').map(([, value]) => value)
  return {
    id,
    ...(peerIdentity === undefined ? {} : { peerIdentity }),
    ...(baggage.length === 0 ? {} : { baggage })
  }
}
