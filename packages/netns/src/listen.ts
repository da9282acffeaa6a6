import fs from 'node:fs'
import * as native from '@culvert/native-netns'
import { type Address, familyOf, formatAddress } from './address.ts'
import { type NetnsError, systemError } from './errors.ts'
import { setKeepalive, type DeadPeerOptions } from './keepalive.ts'
import type { Netns } from './netns.ts'

const { constants } = native

/** Accepted sockets inherit what detects dead peers. */
export interface ListenOptions extends DeadPeerOptions {
  ip: string
  port: number
  /** SO_MARK; 0 or absent: none. */
  mark?: number
  /** SO_REUSEPORT instead of SO_REUSEADDR. A refusal is a warning (docs/spec/zds.md 4.3). */
  reusePort?: boolean
  /** IP_TRANSPARENT: try, insist, or leave alone. Default 'never'. */
  transparent?: 'auto' | 'require' | 'never'
  /** Default 128. Node calls listen(2) again with its own 511 unless told: `server.listen({ fd }, 128)`. */
  backlog?: number
  onWarning?: (warning: NetnsError) => void
}

/**
 * A listening TCP socket made inside the namespace (undefined: the process's own). The descriptor is the caller's:
 * `net.createServer().listen({ fd }, 128)` takes it over.
 */
export function listenTcp(netns: Netns | undefined, options: ListenOptions): { fd: number; transparent: boolean } {
  const { reusePort = false, transparent = 'never', backlog = 128 } = options
  return openSocket(netns, options, constants.SOCK_STREAM, fd => {
    if (options.mark) native.setsockopt(fd, constants.SOL_SOCKET, constants.SO_MARK, options.mark)
    try {
      native.setsockopt(fd, constants.SOL_SOCKET, reusePort ? constants.SO_REUSEPORT : constants.SO_REUSEADDR, 1)
    } catch (error) {
      options.onWarning?.(systemError(`let ${formatAddress(options)} be shared`, error))
    }
    const isTransparent = transparent !== 'never' && setTransparent(fd, transparent === 'require')
    setKeepalive(fd, options)
    native.bindInet(fd, options.ip, options.port)
    native.listen(fd, backlog)
    return { fd, transparent: isTransparent }
  })
}

/**
 * A bound UDP socket made inside the namespace. `dgram.createSocket('udp4').bind({ fd }, listening)` takes it over;
 * given a descriptor, Node emits 'listening' before bind returns.
 */
export function bindUdp(
  netns: Netns | undefined,
  options: { ip: string; port: number; mark?: number; reusePort?: boolean }
): number {
  return openSocket(netns, options, constants.SOCK_DGRAM, fd => {
    if (options.mark) native.setsockopt(fd, constants.SOL_SOCKET, constants.SO_MARK, options.mark)
    if (options.reusePort) native.setsockopt(fd, constants.SOL_SOCKET, constants.SO_REUSEPORT, 1)
    native.bindInet(fd, options.ip, options.port)
    return fd
  })
}

/** Level SOL_IP also on IPv6 sockets: a dual-stack listener must answer for IPv4 addresses as well. */
function setTransparent(fd: number, required: boolean): boolean {
  try {
    native.setsockopt(fd, constants.SOL_IP, constants.IP_TRANSPARENT, 1)
    return true
  } catch (error) {
    if (required) throw error
    return false
  }
}

function openSocket<T>(netns: Netns | undefined, address: Address, type: number, prepare: (fd: number) => T): T {
  const family = familyOf(address)
  const protocol = type === constants.SOCK_STREAM ? 'TCP' : 'UDP'
  let fd = -1
  try {
    fd = native.socket(netns === undefined ? -1 : netns.fd, family, type)
    return prepare(fd)
  } catch (error) {
    if (fd >= 0) fs.closeSync(fd)
    throw systemError(`bind ${protocol} ${formatAddress(address)}`, error)
  }
}
