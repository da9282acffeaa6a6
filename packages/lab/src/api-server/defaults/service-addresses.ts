import { BlockList, isIPv4 } from 'node:net'
import type { KubeObject } from '../objects.ts'
import type { Store } from '../store.ts'
import type { StrategyContext } from '../strategy.ts'

/** Kubernetes' own default range. */
const nodePorts = { first: 30_000, last: 32_767 }

interface ServiceSpec {
  clusterIP?: string
  ports?: { nodePort?: number }[]
}

const specOf = (service: KubeObject): ServiceSpec => (service.spec ?? {}) as ServiceSpec

/**
 * Addresses and node ports of services. What is taken is read from the services themselves, so nothing is to be given
 * back and nothing can be lost. The first 16 addresses are left to services that ask for one, as the cluster DNS does.
 */
export function createAddressAllocator(
  store: Store,
  cidr: string
): Pick<StrategyContext, 'allocateClusterIp' | 'allocateNodePort'> {
  const [network, bits] = cidr.split('/')
  if (network === undefined || !isIPv4(network) || !(Number(bits) >= 8 && Number(bits) <= 28)) {
    throw new RangeError(`serviceCidr: ${JSON.stringify(cidr)} is not an IPv4 range of 8 to 28 bits`)
  }
  const range = new BlockList()
  range.addSubnet(network, Number(bits), 'ipv4')
  const size = 2 ** (32 - Number(bits))
  const base = toNumber(network) - (toNumber(network) % size)
  let next = 16

  const services = (): ServiceSpec[] => store.list('/services').map(specOf)
  const takenPorts = (): Set<number> =>
    new Set(services().flatMap(({ ports }) => (ports ?? []).map(port => port.nodePort ?? 0)))

  return {
    allocateClusterIp(wanted) {
      const taken = new Set(services().map(({ clusterIP }) => clusterIP))
      if (wanted !== undefined) {
        if (!isIPv4(wanted) || !range.check(wanted)) {
          throw new AllocationError(
            `failed to allocate IP ${wanted}: the provided IP (${wanted}) is not in the valid range. The range of valid IPs is ${cidr}`
          )
        }
        if (taken.has(wanted))
          throw new AllocationError(`failed to allocate IP ${wanted}: provided IP is already allocated`)
        return wanted
      }
      for (let tried = 0; tried < size; tried += 1) {
        const address = toAddress(base + next)
        next = next + 1 >= size - 1 ? 16 : next + 1
        if (!taken.has(address)) return address
      }
      throw new AllocationError('failed to allocate a serviceIP: range is full')
    },
    allocateNodePort(wanted) {
      const taken = takenPorts()
      if (wanted !== undefined) {
        if (wanted < nodePorts.first || wanted > nodePorts.last) {
          throw new AllocationError(
            `provided port is not in the valid range. The range of valid ports is ${nodePorts.first}-${nodePorts.last}`
          )
        }
        if (taken.has(wanted)) throw new AllocationError('provided port is already allocated')
        return wanted
      }
      for (let port = nodePorts.first; port <= nodePorts.last; port += 1) if (!taken.has(port)) return port
      throw new AllocationError('failed to allocate a nodePort: range is full')
    }
  }
}

/** The first address of a range: the API server's own service. */
export function firstAddress(cidr: string): string {
  return toAddress(toNumber(cidr.split('/')[0]!) + 1)
}

/** An address or port that cannot be had; becomes a field error of the service. */
export class AllocationError extends Error {
  override readonly name = 'AllocationError'
}

function toNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
}

function toAddress(value: number): string {
  return [24, 16, 8, 0].map(shift => Math.floor(value / 2 ** shift) % 256).join('.')
}
