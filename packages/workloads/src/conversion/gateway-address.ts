import type { GatewayAddressMessage, NetworkAddressMessage } from '../messages/workload-messages.ts'
import { ipFromBytes } from '../model/ip.ts'
import type { GatewayAddress, NetworkAddress } from '../model/workload.ts'
import { rejected } from './reject.ts'

export function convertGatewayAddress(message: GatewayAddressMessage, field: string): GatewayAddress {
  const { hostname, address } = message
  const hboneMtlsPort = portNumber(message.hboneMtlsPort)
  if (hostname !== undefined) {
    const destination = { namespace: hostname.namespace ?? '', hostname: hostname.hostname ?? '' }
    return { destination, hboneMtlsPort }
  }
  if (address === undefined) throw rejected(`${field} has no destination`)
  return { destination: convertNetworkAddress(address, field), hboneMtlsPort }
}

export function convertNetworkAddress({ network, address }: NetworkAddressMessage, field: string): NetworkAddress {
  return { network: network ?? '', ip: convertIp(address, field) }
}

export function convertIp(bytes: Uint8Array | undefined, field: string): string {
  const ip = ipFromBytes(bytes ?? new Uint8Array())
  if (ip === undefined) throw rejected(`an address of ${field} has ${bytes?.length ?? 0} bytes, not 4 or 16`)
  return ip
}

/** Ports travel as 32 bits and are cut to 16 (docs/spec/workload-xds.md 3.1). */
export const portNumber = (port: number | undefined): number => (port ?? 0) & 0xffff
