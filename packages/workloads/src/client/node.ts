import type { Json, NodeMessage } from '../messages/discovery-messages.ts'

export interface DiscoveryNodeSettings {
  /** INSTANCE_IP; default 1.1.1.1. */
  readonly ip?: string | undefined
  /** POD_NAME, POD_NAMESPACE, NODE_NAME. */
  readonly name?: string | undefined
  readonly namespace?: string | undefined
  readonly nodeName?: string | undefined
  /** String entries, keys already without `ISTIO_META_`, later sources already over earlier ones. */
  readonly proxyMetadata?: Readonly<Record<string, string>>
  /** ISTIO_METAJSON_*, parsed. */
  readonly jsonMetadata?: Readonly<Record<string, Json>>
}

/** Who we tell the control plane that we are: docs/spec/workload-xds.md 1.3. */
export function discoveryNode(settings: DiscoveryNodeSettings): NodeMessage {
  const { ip = '1.1.1.1', name = '', namespace = '', nodeName = '' } = settings
  return {
    id: `ztunnel~${ip}~${name}.${namespace}~${namespace}.svc.cluster.local`,
    metadata: {
      NAME: name,
      NAMESPACE: namespace,
      INSTANCE_IPS: ip,
      NODE_NAME: nodeName,
      ...settings.proxyMetadata,
      ...settings.jsonMetadata
    }
  }
}
