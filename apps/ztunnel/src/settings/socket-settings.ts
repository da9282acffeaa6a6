import { invalidVariable } from './errors.ts'
import type { SettingReader } from './reader.ts'

export interface SocketSettings {
  /** Of upstream TCP connections. */
  readonly mark: number
  /** Of listeners and UDP; a dedicated proxy marks neither (docs/spec/zds.md 5.3). */
  readonly listenerMark: number
  readonly reusePort: boolean
  readonly originalSource: 'auto' | 'require' | 'never'
  readonly ipv6: boolean
  readonly keepalive: { readonly idle: number; readonly interval: number; readonly retries: number } | undefined
  readonly userTimeout: boolean
  /** Undefined: the kernel's. */
  readonly tunnelCongestionControl: string | undefined
  readonly handshakeTimeout: number
}

const defaultMark = 1337

/** What the kernel takes (tcp(7): MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL); it would ignore the rest. */
const probeTime = { min: 1_000, max: 32_767_000 }

/** docs/spec/zds.md 4.3 and 5.1. */
export function readSockets(read: SettingReader, shared: boolean): SocketSettings {
  const originalSource = read.boolean('ENABLE_ORIG_SRC')
  const keepalive = {
    idle: read.duration('KEEPALIVE_TIME', probeTime) ?? 180_000,
    interval: read.duration('KEEPALIVE_INTERVAL', probeTime) ?? 180_000,
    retries: read.integer('KEEPALIVE_RETRIES', { min: 1, max: 127 }) ?? 9
  }
  const mark = read.integer('PACKET_MARK')
  const reusePort = read.boolean('INPOD_PORT_REUSE') ?? true
  return {
    mark: mark ?? (shared ? defaultMark : 0),
    listenerMark: shared ? (mark ?? defaultMark) : 0,
    reusePort: shared && reusePort,
    originalSource: originalSource === undefined ? 'auto' : originalSource ? 'require' : 'never',
    ipv6: read.boolean('IPV6_ENABLED') ?? true,
    keepalive: (read.boolean('KEEPALIVE_ENABLED') ?? true) ? keepalive : undefined,
    userTimeout: read.boolean('USER_TIMEOUT_ENABLED') ?? false,
    tunnelCongestionControl: readCongestionControl(read),
    handshakeTimeout: read.duration('CULVERT_HANDSHAKE_TIMEOUT') ?? 30_000
  }
}

function readCongestionControl(read: SettingReader): string | undefined {
  const name = 'CULVERT_TUNNEL_CONGESTION_CONTROL'
  const value = read.text(name)
  if (value === undefined || value === '') return undefined
  // TCP_CA_NAME_MAX of the kernel, with the byte that ends it.
  if (/^[a-z0-9_-]{1,15}$/.test(value)) return value
  throw invalidVariable(name, value, 'expected the name of a congestion control such as cubic, reno or bbr')
}
