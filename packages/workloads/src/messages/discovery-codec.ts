import type { MethodDefinition } from '@grpc/grpc-js'
import type { DeltaDiscoveryRequest, DeltaDiscoveryResponse, NodeMessage } from './discovery-messages.ts'
import { type Codec, codec } from './schema.ts'
import { type StructMessage, structFromJson, structToJson } from './struct.ts'

export const addressTypeUrl = 'type.googleapis.com/istio.workload.Address'
export const authorizationTypeUrl = 'type.googleapis.com/istio.security.Authorization'

type RawRequest = Omit<DeltaDiscoveryRequest, 'node'> & { readonly node?: RawNode }
type RawNode = Omit<NodeMessage, 'metadata'> & { readonly metadata?: StructMessage }

const requests: Codec<RawRequest> = codec('envoy.service.discovery.v3.DeltaDiscoveryRequest')
const responses: Codec<DeltaDiscoveryResponse> = codec('envoy.service.discovery.v3.DeltaDiscoveryResponse')

export function encodeDeltaRequest({ node, ...rest }: DeltaDiscoveryRequest): Uint8Array {
  if (node === undefined) return requests.encode(rest)
  const { metadata, ...named } = node
  return requests.encode({ ...rest, node: metadata ? { ...named, metadata: structFromJson(metadata) } : named })
}

export function decodeDeltaRequest(bytes: Uint8Array): DeltaDiscoveryRequest {
  const { node, ...rest } = requests.decode(bytes)
  if (node === undefined) return rest
  const { metadata, ...named } = node
  return { ...rest, node: metadata ? { ...named, metadata: structToJson(metadata) } : named }
}

export function encodeDeltaResponse(message: DeltaDiscoveryResponse): Uint8Array {
  return responses.encode(message)
}

export function decodeDeltaResponse(bytes: Uint8Array): DeltaDiscoveryResponse {
  return responses.decode(bytes)
}

/** For both sides of `DeltaAggregatedResources` on @grpc/grpc-js. */
export const discoveryServiceDefinition: {
  readonly deltaAggregatedResources: MethodDefinition<DeltaDiscoveryRequest, DeltaDiscoveryResponse>
} = {
  deltaAggregatedResources: {
    path: '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
    requestStream: true,
    responseStream: true,
    requestSerialize: (message: DeltaDiscoveryRequest): Buffer => buffer(encodeDeltaRequest(message)),
    requestDeserialize: (bytes: Buffer): DeltaDiscoveryRequest => decodeDeltaRequest(bytes),
    responseSerialize: (message: DeltaDiscoveryResponse): Buffer => buffer(encodeDeltaResponse(message)),
    responseDeserialize: (bytes: Buffer): DeltaDiscoveryResponse => decodeDeltaResponse(bytes)
  }
}

const buffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
