import { LabError } from '../errors.ts'
import type { NetworkOptions } from '../cluster/cluster-types.ts'

/** Every address of a cluster, derived from its options. */
export interface NetworkPlan extends NetworkOptions {
  /** The fabric's own address: API server and DNS. */
  readonly fabricIp: string
  readonly apiServerPort: number
  readonly kubernetesIp: string
  readonly dnsIp: string
  readonly serviceCidr: string
  readonly nodes: readonly NodePlan[]
}

export interface NodePlan {
  readonly name: string
  /** From 1. */
  readonly number: number
  readonly ip: string
  readonly mac: string
  readonly podCidr: string
  /** The pod bridge's address, the pods' default gateway. */
  readonly podGateway: string
  readonly podBridgeMac: string
}

const defaults: NetworkOptions = {
  nodePrefix: '172.18.0',
  podPrefix: '10.244',
  servicePrefix: '10.96',
  clusterDomain: 'cluster.local',
  externalDns: false
}

/** Pod networks are numbered by their third byte, node addresses by their fourth, from 2 on. */
const maxNodes = 100

/** 02: locally administered, so that it clashes with no hardware. Fixed, since a bridge without one changes its
 * address with its ports, and neighbours would keep the old one. */
const mac = (kind: number, number: number): string =>
  `02:c0:1e:27:${kind.toString(16).padStart(2, '0')}:${number.toString(16).padStart(2, '0')}`

export const fabricMac: string = mac(0, 1)

export function planNetwork(nodeCount: number, options: Partial<NetworkOptions> = {}): NetworkPlan {
  if (!Number.isInteger(nodeCount) || nodeCount < 1 || nodeCount > maxNodes) {
    throw new LabError('LAB_OPTION', `nodes is ${nodeCount}; it must be a whole number from 1 to ${maxNodes}`)
  }
  const network = { ...defaults, ...options }
  checkPrefix('nodePrefix', network.nodePrefix, 3)
  checkPrefix('podPrefix', network.podPrefix, 2)
  checkPrefix('servicePrefix', network.servicePrefix, 2)
  const nodes = Array.from({ length: nodeCount }, (_, index): NodePlan => {
    const number = index + 1
    return {
      name: `node-${number}`,
      number,
      ip: `${network.nodePrefix}.${number + 1}`,
      mac: mac(1, number),
      podCidr: `${network.podPrefix}.${number}.0/24`,
      podGateway: `${network.podPrefix}.${number}.1`,
      podBridgeMac: mac(2, number)
    }
  })
  return {
    ...network,
    fabricIp: `${network.nodePrefix}.1`,
    apiServerPort: 6443,
    kubernetesIp: `${network.servicePrefix}.0.1`,
    dnsIp: `${network.servicePrefix}.0.10`,
    serviceCidr: `${network.servicePrefix}.0.0/16`,
    nodes
  }
}

function checkPrefix(name: keyof NetworkOptions, value: string, count: number): void {
  const numbers = value.split('.')
  const valid = numbers.length === count && numbers.every(text => /^\d{1,3}$/.test(text) && Number(text) <= 255)
  if (!valid)
    throw new LabError('LAB_OPTION', `network.${name} is '${value}'; it must be ${count} numbers from 0 to 255`)
}
