import { isIP } from 'node:net'
import type { Socks5Request } from '@culvert/tunnel'
import { canonicalIp, unmappedIp } from '@culvert/workloads'
import type { NodeContext, PodContext } from './context.ts'
import { decideOutbound, type OutboundResult } from './outbound.ts'

/** RFC 1928 section 6. */
const hostUnreachable = 4
const commandNotSupported = 7

/** docs/spec/hbone.md 5: a name is looked up, then the connection is one like any other of the pod. */
export async function decideSocks5(
  node: NodeContext,
  pod: PodContext,
  { id, source, target, port }: Socks5Request
): Promise<OutboundResult> {
  const found = 'ip' in target ? target.ip : await addressOf(node, pod, source.ip, target.name)
  if (typeof found === 'number') return { decision: { kind: 'refuse', socks5Reply: found } }
  const ip = unmappedIp(canonicalIp(found) ?? found)
  return await decideOutbound(node, pod, { id, role: 'outbound', source, destination: { ip, port } })
}

/** The first address of the client's family, or the code to refuse with. */
async function addressOf(
  node: NodeContext,
  pod: PodContext,
  clientIp: string,
  bytes: Uint8Array
): Promise<string | number> {
  const name = utf8(bytes)
  // Clients that were given an address may still pass it on as a name, written in any way.
  if (name !== undefined && canonicalIp(name) !== undefined) return name
  if (name === undefined || pod.lookUp === undefined) {
    const reason = name === undefined ? 'the name is no UTF-8' : 'names need the DNS proxy, which is off'
    node.log.warn('SOCKS5 request refused', { reason })
    return commandNotSupported
  }
  const [first] = await pod.lookUp(name, isIP(clientIp) === 4 ? 'A' : 'AAAA')
  if (first === undefined) node.log.warn('SOCKS5 request refused', { reason: 'the name has no address', name })
  return first ?? hostUnreachable
}

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}
