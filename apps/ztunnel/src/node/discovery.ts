import { type Logger } from '@culvert/telemetry'
import {
  createDiscoveryClient,
  type DiscoveryClient,
  discoveryNode,
  type Json,
  type PolicyStore,
  rootsFrom,
  tokenFrom,
  type WorkloadIndex
} from '@culvert/workloads'
import type { NodeMetrics } from '../observe/node-metrics.ts'
import type { XdsSettings } from '../settings/control-plane-settings.ts'
import type { Settings } from '../settings/settings.ts'

export function createNodeDiscovery(
  settings: Settings,
  xds: XdsSettings,
  parts: {
    readonly index: WorkloadIndex
    readonly policies: PolicyStore
    readonly metrics: NodeMetrics['xds']
    readonly log: Logger
  }
): DiscoveryClient {
  const { metrics, log } = parts
  const { node, nodeName } = settings
  for (const variable of node.badJsonMetadata) log.warn('metadata is no JSON, skipped', { variable })
  return createDiscoveryClient({
    address: xds.address,
    roots: rootsFrom(xds.rootCa),
    ...(xds.token === undefined ? {} : { token: tokenFrom(xds.token) }),
    clusterId: settings.clusterId,
    alternativeHostname: xds.altHostname,
    headers: Object.entries(xds.headers),
    tls12: xds.tls12,
    node: discoveryNode({
      ip: node.instanceIp,
      name: node.podName,
      namespace: node.podNamespace,
      nodeName,
      proxyMetadata: Object.fromEntries(node.metadata),
      jsonMetadata: Object.fromEntries(node.jsonMetadata) as Record<string, Json>
    }),
    index: parts.index,
    policies: parts.policies,
    onDemand: xds.onDemand,
    log,
    metrics: {
      connectionTerminated: reason => metrics.terminations.add(1, [['reason', reason]]),
      message: (typeUrl, bytes) => {
        metrics.messages.add(1, [['url', typeUrl]])
        metrics.bytes.add(bytes, [['url', typeUrl]])
      }
    }
  })
}
