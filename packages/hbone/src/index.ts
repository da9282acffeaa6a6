/**
 * HBONE: TCP connections as HTTP/2 CONNECT streams inside mutual TLS.
 *
 *     const server = createHboneServer({
 *       credential: () => credential,
 *       onStream: stream => join(stream.accept(), tcpSide(net.connect({ port: 8080, allowHalfOpen: true })))
 *     })
 *     const pool = createTunnelPool({ dial: to => connect(to) })
 *     const { side } = await pool.connect({ to, authority, headers, credential, ...identities })
 */
export { type Address, canonicalIp, formatAddress } from './address.ts'
export { type Baggage, formatBaggage, parseBaggage, type WorkloadType } from './baggage.ts'
export { type ClientTunnel, type ClientTunnelOptions, openTunnel, type TunnelStream } from './client-tunnel.ts'
export type { ConnectRequest, HeaderField } from './connect-request.ts'
export type { Credential } from './credential.ts'
export { HboneError, type HboneErrorCode } from './errors.ts'
export { formatForwarded, parseForwardedHost } from './forwarded.ts'
export { createHboneServer, type HboneServer, type HboneServerOptions } from './hbone-server.ts'
export { type Join, type JoinFailure, join } from './join.ts'
export { encodeProxyHeader, type ProxyHeader } from './proxy-header.ts'
export type { HboneServerStream } from './server-stream.ts'
export { defaultHttp2Settings, type Http2Settings } from './settings.ts'
export { type Side, tcpSide } from './side.ts'
export { createTraceparent } from './traceparent.ts'
export { createTunnelPool, type TunnelPool, type TunnelPoolOptions, type TunnelRequest } from './tunnel-pool.ts'
