import type { MethodDefinition } from '@grpc/grpc-js'
import protobuf from 'protobufjs'
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
  NodeMessage
} from './discovery-messages.ts'
import { type Codec, codec } from './schema.ts'
import { type StructMessage, structFromJson, structToJson } from './struct.ts'

export const addressTypeUrl = 'type.googleapis.com/istio.workload.Address'
export const authorizationTypeUrl = 'type.googleapis.com/istio.security.Authorization'

type Raw<Message> = Omit<Message, 'node'> & { readonly node?: RawNode }
export type RawNode = Omit<NodeMessage, 'metadata'> & { readonly metadata?: StructMessage }

const requests: Codec<Raw<DeltaDiscoveryRequest>> = codec('envoy.service.discovery.v3.DeltaDiscoveryRequest')
const responses: Codec<DeltaDiscoveryResponse> = codec('envoy.service.discovery.v3.DeltaDiscoveryResponse')
const worldRequests: Codec<Raw<DiscoveryRequest>> = codec('envoy.service.discovery.v3.DiscoveryRequest')
const worldResponses: Codec<DiscoveryResponse> = codec('envoy.service.discovery.v3.DiscoveryResponse')

export function encodeDeltaRequest({ node, ...rest }: DeltaDiscoveryRequest): Uint8Array {
  return requests.encode({ ...rest, ...(node && { node: rawNode(node) }) })
}

/** A request of nothing but `initial_resource_versions`; of thousands, an object would make as many names of members. */
export function encodeInitialVersions(versions: Iterable<readonly [name: string, version: string]>): Uint8Array {
  const writer = protobuf.Writer.create()
  for (const [name, version] of versions) {
    writer.uint32(initialVersionTag).fork().uint32(keyTag).string(name).uint32(valueTag).string(version).ldelim()
  }
  return writer.finish()
}

/** Field number and wire type (2: length-delimited) of one entry, and of its parts. */
const [initialVersionTag, keyTag, valueTag] = [(5 << 3) | 2, (1 << 3) | 2, (2 << 3) | 2]

export function decodeDeltaRequest(bytes: Uint8Array): DeltaDiscoveryRequest {
  const { node, ...rest } = requests.decode(bytes)
  return { ...rest, ...(node && { node: cookedNode(node) }) }
}

export function rawNode({ metadata, ...named }: NodeMessage): RawNode {
  return metadata ? { ...named, metadata: structFromJson(metadata) } : named
}

export function cookedNode({ metadata, ...named }: RawNode): NodeMessage {
  return metadata ? { ...named, metadata: structToJson(metadata) } : named
}

export function encodeDeltaResponse(message: DeltaDiscoveryResponse): Uint8Array {
  return responses.encode(message)
}

export function decodeDeltaResponse(bytes: Uint8Array): DeltaDiscoveryResponse {
  return responses.decode(bytes)
}

/** For both sides of `DeltaAggregatedResources` and `StreamAggregatedResources` on @grpc/grpc-js. */
export const discoveryServiceDefinition: {
  readonly deltaAggregatedResources: MethodDefinition<DeltaDiscoveryRequest, DeltaDiscoveryResponse>
  readonly streamAggregatedResources: MethodDefinition<DiscoveryRequest, DiscoveryResponse>
} = {
  deltaAggregatedResources: {
    path: '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
    requestStream: true,
    responseStream: true,
    requestSerialize: (message: DeltaDiscoveryRequest): Buffer => asBuffer(encodeDeltaRequest(message)),
    requestDeserialize: (bytes: Buffer): DeltaDiscoveryRequest => decodeDeltaRequest(bytes),
    responseSerialize: (message: DeltaDiscoveryResponse): Buffer => asBuffer(encodeDeltaResponse(message)),
    responseDeserialize: (bytes: Buffer): DeltaDiscoveryResponse => decodeDeltaResponse(bytes)
  },
  streamAggregatedResources: {
    path: '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
    requestStream: true,
    responseStream: true,
    requestSerialize: ({ node, ...rest }: DiscoveryRequest): Buffer =>
      asBuffer(worldRequests.encode({ ...rest, ...(node && { node: rawNode(node) }) })),
    requestDeserialize(bytes: Buffer): DiscoveryRequest {
      const { node, ...rest } = worldRequests.decode(bytes)
      return { ...rest, ...(node && { node: cookedNode(node) }) }
    },
    responseSerialize: (message: DiscoveryResponse): Buffer => asBuffer(worldResponses.encode(message)),
    responseDeserialize: (bytes: Buffer): DiscoveryResponse => worldResponses.decode(bytes)
  }
}

/** The same bytes, not copied, as grpc-js wants them. */
export const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
