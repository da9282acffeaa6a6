import { setImmediate } from 'node:timers/promises'
import { convertAuthorization } from '../conversion/authorization.ts'
import { rejected } from '../conversion/reject.ts'
import { convertService } from '../conversion/service.ts'
import { convertWorkload } from '../conversion/workload.ts'
import { WorkloadsError } from '../errors.ts'
import type { ResourceMessage } from '../messages/discovery-messages.ts'
import { decodeAddress, decodeAuthorization } from '../messages/resource-codec.ts'
import type { Authorization } from '../model/authorization.ts'
import type { PolicyStore } from '../state/policy-store.ts'
import type { AddressUpdate, WorkloadIndex } from '../state/workload-index.ts'
import type { DiscoveryLog } from './discovery-log.ts'

export interface RejectedResource {
  readonly name: string
  readonly reason: string
}

/** Takes in one response of one type. What it returns goes into the NACK; everything else of the response is in force. */
export type ResourceHandler = (response: {
  readonly resources: readonly ResourceMessage[]
  readonly removed: readonly string[]
}) => Promise<readonly RejectedResource[]>

/** Decoding thousands of policies takes long, and connections must not wait for it. */
const policiesPerTurn = 256

export function createAddressHandler(index: WorkloadIndex, log: DiscoveryLog): ResourceHandler {
  return async ({ resources, removed }) => {
    const rejections: RejectedResource[] = []
    const updates = readAddresses(resources, rejections)
    await index.applyInTurns({ updates, removals: removed, unknown: name => warnOfUnknown(name, log) })
    return rejections
  }
}

export function createAuthorizationHandler(store: PolicyStore): ResourceHandler {
  return async ({ resources, removed }) => {
    const read = (bytes: Uint8Array) => convertAuthorization(decodeAuthorization(bytes))
    const rejections: RejectedResource[] = []
    const accepted: [string, Authorization][] = []
    for (const [position, resource] of resources.entries()) {
      if (position > 0 && position % policiesPerTurn === 0) await setImmediate()
      const policy = readEach(resource, read, rejections)
      if (policy !== undefined) accepted.push([resource.name ?? '', policy])
    }
    store.apply({ updates: accepted, removals: removed })
    return rejections
  }
}

/** Each is decoded when its turn comes: a whole mesh of values at once would be the biggest thing in the process. */
function* readAddresses(
  resources: readonly ResourceMessage[],
  rejections: RejectedResource[]
): Generator<AddressUpdate | undefined> {
  for (const resource of resources) yield readEach(resource, readAddress, rejections)
}

function readAddress(bytes: Uint8Array): AddressUpdate {
  const { workload, service } = decodeAddress(bytes)
  if (workload !== undefined) return { kind: 'workload', workload: convertWorkload(workload) }
  if (service !== undefined) return { kind: 'service', service: convertService(service) }
  throw rejected('an Address holds neither a workload nor a service')
}

/** Undefined, with the reason among the rejections, for what cannot be used. */
function readEach<Value>(
  { name = '', resource }: ResourceMessage,
  read: (bytes: Uint8Array) => Value,
  rejections: RejectedResource[]
): Value | undefined {
  try {
    if (resource === undefined) throw rejected('the resource is empty')
    return read(resource.value ?? new Uint8Array())
  } catch (error) {
    if (!(error instanceof WorkloadsError)) throw error
    rejections.push({ name, reason: error.message })
    return undefined
  }
}

/** A uid we never had is nothing special; anything else that is unknown hints at a mistake of the server's. */
function warnOfUnknown(name: string, log: DiscoveryLog): void {
  if (name.split('/').length <= 2) log.warn('removal of an unknown resource', { resource: name })
}
