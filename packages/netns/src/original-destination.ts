import type net from 'node:net'
import { constants, getsockoptAddress } from '@culvert/native-netns'
import { type Address, unmapAddress } from './address.ts'

/**
 * Where a connection was going before a REDIRECT rule brought it here, IPv4 asked first. Undefined if the kernel's
 * connection tracking knows nothing about it (docs/spec/capture.md 5: the caller takes the local address then).
 */
export function originalDestination(socket: net.Socket): Address | undefined {
  const fd = descriptorOf(socket)
  if (fd === undefined) return undefined
  const address =
    getsockoptAddress(fd, constants.SOL_IP, constants.SO_ORIGINAL_DST) ??
    getsockoptAddress(fd, constants.SOL_IPV6, constants.SO_ORIGINAL_DST)
  return address === undefined ? undefined : { ip: unmapAddress(address.ip), port: address.port }
}

/** Node has no public way to the descriptor of a socket. */
function descriptorOf(socket: net.Socket): number | undefined {
  const handle = (socket as unknown as { _handle?: { fd?: number } | null })._handle
  const fd = handle?.fd
  return typeof fd === 'number' && fd >= 0 ? fd : undefined
}
