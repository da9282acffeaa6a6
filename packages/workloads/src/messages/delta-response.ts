import { setImmediate } from 'node:timers/promises'
import protobuf from 'protobufjs'
import { WorkloadsError } from '../errors.ts'
import type { Turns } from '../state/turns.ts'
import type { ResourceMessage } from './discovery-messages.ts'
import { type Codec, codec } from './schema.ts'

/**
 * A DeltaDiscoveryResponse (docs/spec/workload-xds.md 1.2) of which only the outline has been read: its resources are
 * decoded as they are gone through, because those of a whole mesh take longer than a connection may wait.
 */
export interface DeltaResponse {
  readonly typeUrl: string
  readonly nonce: string
  readonly resourceCount: number
  /** One that is not a Resource comes as the error that says so. */
  readonly resources: () => Iterable<ResourceMessage | WorkloadsError>
  readonly removed: () => Iterable<string>
}

const resourceCodec: Codec<ResourceMessage> = codec('envoy.service.discovery.v3.Resource')

const fields = { resources: 2, typeUrl: 4, nonce: 5, removedResources: 6 }
const lengthDelimited = 2

/** Throws WORKLOADS_UNDECODABLE for bytes that are no response. The bytes are kept, not copied. */
export function readDeltaResponse(bytes: Uint8Array): DeltaResponse {
  const steps = outlineOf(bytes)
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
  }
}

/** The same, in as many turns of the event loop as it takes, the first of them another one than this. */
export async function readDeltaResponseInTurns(bytes: Uint8Array, turns: Turns): Promise<DeltaResponse> {
  // What has just come as one piece has already cost this turn much.
  if (bytes.length > bigMessage) await setImmediate()
  let response: DeltaResponse | undefined
  const steps = outlineOf(bytes)
  function* untilDone(): Generator<void> {
    response = yield* steps
  }
  await turns.take(untilDone())
  return response!
}

const bigMessage = 1024 * 1024
const fieldsPerStep = 256

function* outlineOf(bytes: Uint8Array): Generator<void, DeltaResponse> {
  try {
    return yield* readOutline(bytes)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new WorkloadsError(
      'WORKLOADS_UNDECODABLE',
      `${bytes.length} bytes are not a DeltaDiscoveryResponse: ${reason}`,
      { cause: error }
    )
  }
}

function* readOutline(bytes: Uint8Array): Generator<void, DeltaResponse> {
  const reader = protobuf.Reader.create(bytes)
  /** Start and end of each, one after another. */
  const resources: number[] = []
  const removed: number[] = []
  let typeUrl = ''
  let nonce = ''
  const note = (places: number[]): void => {
    const length = reader.uint32()
    const start = reader.pos
    reader.skip(length)
    places.push(start, reader.pos)
  }
  for (let read = 1; reader.pos < reader.len; read++) {
    if (read % fieldsPerStep === 0) yield
    const tag = reader.uint32()
    const field = tag >>> 3
    if ((tag & 7) !== lengthDelimited) reader.skipType(tag & 7)
    else if (field === fields.resources) note(resources)
    else if (field === fields.removedResources) note(removed)
    else if (field === fields.typeUrl) typeUrl = reader.string()
    else if (field === fields.nonce) nonce = reader.string()
    else reader.skipType(lengthDelimited)
  }
  function* each<Value>(places: readonly number[], read: (part: Uint8Array) => Value): Generator<Value> {
    for (let i = 0; i < places.length; i += 2) yield read(bytes.subarray(places[i], places[i + 1]))
  }
  return {
    typeUrl,
    nonce,
    resourceCount: resources.length / 2,
    resources: () => each(resources, readResource),
    removed: () => each(removed, part => Buffer.from(part.buffer, part.byteOffset, part.length).toString('utf8'))
  }
}

function readResource(bytes: Uint8Array): ResourceMessage | WorkloadsError {
  try {
    return resourceCodec.decode(bytes)
  } catch (error) {
    if (error instanceof WorkloadsError) return error
    throw error
  }
}
