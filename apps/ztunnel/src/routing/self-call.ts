import { isIP } from 'node:net'
import { type Refusal, selfCall } from './refusal.ts'
import type { RoutingContext, SocketAddress } from './route.ts'

/** Outbound, before anything is looked up: a proxy port on loopback would come back to us (docs/spec/hbone.md 2.2). */
export function refuseOutboundSelfCall(
  { illegalPorts }: Pick<RoutingContext, 'illegalPorts'>,
  { ip, port }: SocketAddress
): Refusal | undefined {
  return isLoopback(ip) && illegalPorts.has(port) ? selfCall() : undefined
}

/** Inbound plaintext: a proxy port on any address (docs/spec/hbone.md 4). */
export function refuseInboundSelfCall(
  { illegalPorts }: Pick<RoutingContext, 'illegalPorts'>,
  { port }: SocketAddress
): Refusal | undefined {
  return illegalPorts.has(port) ? selfCall() : undefined
}

const isLoopback = (ip: string): boolean => ip === '::1' || (isIP(ip) === 4 && ip.startsWith('127.'))
