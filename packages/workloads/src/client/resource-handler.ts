import { convertAuthorization } from '../conversion/authorization.ts'
import { rejected } from '../conversion/reject.ts'
import { convertService } from '../conversion/service.ts'
import { convertWorkload } from '../conversion/workload.ts'
import { WorkloadsError } from '../errors.ts'
import type { ResourceMessage } from '../messages/discovery-messages.ts'
import { decodeAddress, decodeAuthorization } from '../messages/resource-codec.ts'
import type { Authorization } from '../model/authorization.ts'
import type { PolicyStore } from '../state/policy-store.ts'
import { createTurns } from '../state/turns.ts'
import type { AddressUpdate, WorkloadIndex } from '../state/workload-index.ts'
import type { DiscoveryLog } from './discovery-log.ts'

export interface RejectedResource {
  readonly name: string
  readonly reason: string
}

/**
 * Takes in one response of one type, in turns of the event loop. What it returns goes into the NACK; everything else of
 * the response is in force.
 */
export type ResourceHandler = (response: {
  /** Gone through once; an error stands for one that could not be decoded. */
  readonly resources: Iterable<ResourceMessage | WorkloadsError>
  readonly removed: Iterable<string>
  readonly onAccepted?: (resource: ResourceMessage) => void
}) => Promise<readonly RejectedResource[]>

type Response = Parameters<ResourceHandler>[0]

export function createAddressHandler(index: WorkloadIndex, log: DiscoveryLog): ResourceHandler {
  return async response => {
    const rejections: RejectedResource[] = []
    const updates = readAll(response, readAddress, rejections)
    await index.applyInTurns({ updates, removals: response.removed, unknown: name => warnOfUnknown(name, log) })
    return rejections
  }
}

export function createAuthorizationHandler(store: PolicyStore): ResourceHandler {
  const turns = createTurns()
  return async response => {
    const rejections: RejectedResource[] = []
    const updates: [string, Authorization][] = []
    const removals: string[] = []
    function* steps(): Generator<void> {
      for (const update of readAll(response, readPolicy, rejections)) {
        if (update !== undefined) updates.push(update)
        yield
      }
      for (const name of response.removed) {
        removals.push(name)
        yield
      }
    }
    await turns.take(steps())
    store.apply({ updates, removals })
    return rejections
  }
}

/**
 * Each is decoded when its turn comes: a whole mesh of values at once would be the biggest thing in the process.
 * Undefined, with the reason among the rejections, for what cannot be used.
 */
function* readAll<Value>(
  { resources, onAccepted }: Response,
  read: (bytes: Uint8Array, name: string) => Value,
  rejections: RejectedResource[]
): Generator<Value | undefined> {
  let position = 0
  for (const resource of resources) {
    position++
    let value: Value | undefined
    try {
      if (resource instanceof WorkloadsError) throw resource
      value = read(bytesOf(resource), resource.name ?? '')
      onAccepted?.(resource)
    } catch (error) {
      if (!(error instanceof WorkloadsError)) throw error
      const name = resource instanceof WorkloadsError ? `resource ${position} of the response` : (resource.name ?? '')
      rejections.push({ name, reason: error.message })
    }
    yield value
  }
}

function bytesOf({ resource }: ResourceMessage): Uint8Array {
  if (resource === undefined) throw rejected('the resource is empty')
  return resource.value ?? new Uint8Array()
}

const readPolicy = (bytes: Uint8Array, name: string): [string, Authorization] => [
  name,
  convertAuthorization(decodeAuthorization(bytes))
]

function readAddress(bytes: Uint8Array): AddressUpdate {
  const { workload, service } = decodeAddress(bytes)
  if (workload !== undefined) return { kind: 'workload', workload: convertWorkload(workload) }
  if (service !== undefined) return { kind: 'service', service: convertService(service) }
  throw rejected('an Address holds neither a workload nor a service')
}

/** A uid we never had is nothing special; anything else that is unknown hints at a mistake of the server's. */
function warnOfUnknown(name: string, log: DiscoveryLog): void {
  if (name.split('/').length <= 2) log.warn('removal of an unknown resource', { resource: name })
}
