import fs from 'node:fs'
import net from 'node:net'
import * as native from '@culvert/native-netns'
import { type Address, familyOf, formatAddress } from './address.ts'
import { NetnsError, systemError } from './errors.ts'
import { setKeepalive, type DeadPeerOptions } from './keepalive.ts'
import type { Netns } from './netns.ts'

const { constants } = native

export interface ConnectOptions extends DeadPeerOptions {
  /** SO_MARK; 0 or absent: none. */
  mark?: number
  /** Source IP to take, though it need not be an address of this namespace. A refusal goes to `onWarning`. */
  from?: string
  /** Milliseconds; absent: as long as the kernel tries. */
  timeout?: number
  allowHalfOpen?: boolean
  signal?: AbortSignal
  onWarning?: (warning: NetnsError) => void
}

/**
 * Makes a TCP socket in the namespace (undefined: the process's own) and connects it. TCP_NODELAY is set. What
 * arrives before a listener is attached waits in the socket's buffer.
 */
export async function connectTcp(
  netns: Netns | undefined,
  to: Address,
  options: ConnectOptions = {}
): Promise<net.Socket> {
  const target = formatAddress(to)
  if (options.signal?.aborted) throw aborted(target, options.signal)
  const fd = makeSocket(netns, to, options)
  // Node adopts the descriptor and connects that very socket instead of making its own.
  const socket = new net.Socket({ fd, allowHalfOpen: options.allowHalfOpen ?? false, manualStart: true } as object)
  return await new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined
    const settle = (): void => {
      clearTimeout(timer)
      options.signal?.removeEventListener('abort', onAbort)
      socket.off('connect', onConnect)
      socket.off('error', onError)
    }
    const fail = (error: NetnsError): void => {
      settle()
      // A late error of the abandoned socket has nobody left to tell.
      socket.on('error', () => {})
      socket.destroy()
      reject(error)
    }
    const onConnect = (): void => {
      settle()
      resolve(socket)
    }
    const onError = (error: Error): void => fail(systemError(`connect to ${target}`, error))
    const onAbort = (): void => fail(aborted(target, options.signal!))
    socket.on('connect', onConnect)
    socket.on('error', onError)
    options.signal?.addEventListener('abort', onAbort)
    if (options.timeout !== undefined) {
      timer = setTimeout(() => {
        fail(new NetnsError('NETNS_CONNECT_TIMEOUT', `no connection to ${target} within ${options.timeout} ms`))
      }, options.timeout)
    }
    socket.connect({ host: to.ip, port: to.port })
  })
}

function aborted(target: string, signal: AbortSignal): NetnsError {
  return new NetnsError('NETNS_ABORTED', `the connection to ${target} was given up`, { cause: signal.reason })
}

function makeSocket(netns: Netns | undefined, to: Address, options: ConnectOptions): number {
  const family = familyOf(to)
  let fd = -1
  try {
    fd = native.socket(netns === undefined ? -1 : netns.fd, family, constants.SOCK_STREAM)
    native.setsockopt(fd, constants.SOL_TCP, constants.TCP_NODELAY, 1)
    if (options.mark) native.setsockopt(fd, constants.SOL_SOCKET, constants.SO_MARK, options.mark)
    setKeepalive(fd, options)
    if (options.from !== undefined) bindForeign(fd, family, options.from, options.onWarning)
    return fd
  } catch (error) {
    if (fd >= 0) fs.closeSync(fd)
    throw systemError(`make a socket for ${formatAddress(to)}`, error)
  }
}

function bindForeign(fd: number, family: number, from: string, warn: ConnectOptions['onWarning']): void {
  try {
    if (family === constants.AF_INET) {
      native.setsockopt(fd, constants.SOL_IP, constants.IP_TRANSPARENT, 1)
      native.setsockopt(fd, constants.SOL_IP, constants.IP_FREEBIND, 1)
    } else {
      native.setsockopt(fd, constants.SOL_IPV6, constants.IPV6_TRANSPARENT, 1)
      native.setsockopt(fd, constants.SOL_IPV6, constants.IPV6_FREEBIND, 1)
    }
    native.bindInet(fd, from, 0)
  } catch (error) {
    warn?.(systemError(`take source address '${from}'`, error))
  }
}
