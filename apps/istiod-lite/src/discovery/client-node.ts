import { status } from '@grpc/grpc-js'
import type { Json, NodeMessage } from '@culvert/workloads'
import { ipBytes } from '../resources/ip-address.ts'

/** The client as its first request describes it. */
export interface ClientNode {
  readonly id: string
  /** `ztunnel`, `waypoint`, `sidecar`, `router`. */
  readonly type: string
  /** `<pod>.<namespace>`. */
  readonly proxyId: string
  readonly ip: string
  readonly nodeName: string | undefined
  readonly clusterId: string
  readonly istioVersion: string | undefined
  readonly metadata: Readonly<Record<string, Json>>
}

export class AdmissionError extends Error {
  override readonly name = 'AdmissionError'
  readonly code: status

  constructor(code: status, message: string) {
    super(message)
    this.code = code
  }
}

const types = new Set(['ztunnel', 'waypoint', 'sidecar', 'router'])
const text = (value: Json | undefined): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined

/** The checks on the first request of a stream (docs/spec/workload-xds.md 1.7). */
export function readClientNode(
  { node }: { readonly node?: NodeMessage },
  options: { readonly ambient: boolean }
): ClientNode {
  const invalid = (message: string): AdmissionError => new AdmissionError(status.INVALID_ARGUMENT, message)
  if (node === undefined || !node.id) throw invalid('missing node information')
  const parts = node.id.split('~')
  const [type = '', ip = '', proxyId = ''] = parts
  if (parts.length !== 4) throw invalid(`missing parts in the service node ${JSON.stringify(node.id)}`)
  if (!types.has(type))
    throw invalid(
      `invalid node type (valid types: ${[...types].join(', ')}) in the service node ${JSON.stringify(node.id)}`
    )
  const { metadata = {} } = node
  const instanceIps = (text(metadata.INSTANCE_IPS) ?? '').split(',')
  const found = [...instanceIps, ip].find(candidate => ipBytes(candidate) !== undefined)
  if (found === undefined)
    throw invalid(`no valid IP address in the service node id or metadata ${JSON.stringify(node.id)}`)
  if (type === 'ztunnel' && !options.ambient) {
    throw new AdmissionError(status.UNKNOWN, 'ztunnel requires PILOT_ENABLE_AMBIENT=true')
  }
  return {
    id: node.id,
    type,
    proxyId,
    ip: found,
    nodeName: text(metadata.NODE_NAME),
    clusterId: text(metadata.CLUSTER_ID) ?? '',
    istioVersion: text(metadata.ISTIO_VERSION),
    metadata
  }
}

/** A verified identity must be the one that the client says it is. */
export function checkClaims(
  { metadata }: ClientNode,
  caller: { readonly namespace: string; readonly serviceAccount: string } | undefined
): void {
  if (caller === undefined) return
  const [namespace, account] = [text(metadata.NAMESPACE), text(metadata.SERVICE_ACCOUNT)]
  const denied = (what: string): AdmissionError =>
    new AdmissionError(status.PERMISSION_DENIED, `authorization failed: no identities match the claimed ${what}`)
  if (namespace !== caller.namespace) throw denied(`namespace ${JSON.stringify(namespace ?? '')}`)
  if (account !== undefined && account !== caller.serviceAccount)
    throw denied(`service account ${JSON.stringify(account)}`)
}
