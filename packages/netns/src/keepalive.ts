import * as native from '@culvert/native-netns'

const { constants } = native

export interface KeepaliveOptions {
  /** Milliseconds, rounded up to whole seconds as the kernel counts them. */
  readonly idle: number
  /** Milliseconds, rounded up to whole seconds. */
  readonly interval: number
  readonly retries: number
}

/** How a TCP socket finds out that its peer is gone. */
export interface DeadPeerOptions {
  keepalive?: KeepaliveOptions
  /** TCP_USER_TIMEOUT = idle + retries × interval of `keepalive`. */
  userTimeout?: boolean
}

/** docs/spec/zds.md 4.3: failures to set these are ignored; a connection without them still works. */
export function setKeepalive(fd: number, { keepalive, userTimeout = false }: DeadPeerOptions): void {
  if (keepalive === undefined) return
  const { idle, interval, retries } = keepalive
  const set = (level: number, name: number, value: number): void => {
    try {
      native.setsockopt(fd, level, name, value)
    } catch {}
  }
  set(constants.SOL_SOCKET, constants.SO_KEEPALIVE, 1)
  set(constants.SOL_TCP, constants.TCP_KEEPIDLE, Math.ceil(idle / 1000))
  set(constants.SOL_TCP, constants.TCP_KEEPINTVL, Math.ceil(interval / 1000))
  set(constants.SOL_TCP, constants.TCP_KEEPCNT, retries)
  if (userTimeout) set(constants.SOL_TCP, constants.TCP_USER_TIMEOUT, idle + retries * interval)
}
