/**
 * The data path of the node proxy: its interface, an engine behind it, its conformance suite.
 *
 *     const dataPath = createDataPath({ log })
 *     const pod = await dataPath.open({ netns, listeners, sockets, http2, pool }, handler)
 *     await pod.drain({ deadline: AbortSignal.timeout(5000) })
 */
export type {
  Answer,
  CapturedConnection,
  ConnectionDecision,
  ConnectionId,
  Credential,
  DataPath,
  Direct,
  Endpoint,
  Failure,
  FailureCode,
  HeaderField,
  Hop,
  Http2Settings,
  InboundStream,
  ListenerRole,
  Opened,
  Outcome,
  PodHandler,
  PodOptions,
  PodPath,
  PoolSettings,
  Progress,
  Refuse,
  SocketSettings,
  SocketsChange,
  Socks5Request,
  StreamDecision,
  Tunnel
} from './data-path.ts'
export { TunnelError, type TunnelErrorCode } from './errors.ts'
export {
  createDataPath,
  type DataPathLimits,
  type DataPathOptions,
  type DataPathTls,
  type EngineDataPath
} from './native-data-path.ts'
export type { TunnelLog } from './log.ts'
