import { setImmediate } from 'node:timers/promises'
import { convertAuthorization } from '../conversion/authorization.ts'
import { createInterner, type Interner } from '../conversion/interner.ts'
import { rejected } from '../conversion/reject.ts'
import { convertService } from '../conversion/service.ts'
import { convertWorkload } from '../conversion/workload.ts'
import { WorkloadsError } from '../errors.ts'
import type { ResourceMessage } from '../messages/discovery-messages.ts'
import { decodeAddress, decodeAuthorization } from '../messages/resource-codec.ts'
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

/** Decoding and applying a whole mesh takes seconds, and connections must not wait for it. */
const stepsPerTurn = 256

export function createAddressHandler(index: WorkloadIndex, log: DiscoveryLog): ResourceHandler {
  const interner = createInterner()
  return async ({ resources, removed }) => {
    const { accepted, rejections } = await readEach(resources, bytes => readAddress(bytes, interner))
    const updates = accepted.map(([, update]) => update)
    let steps = 0
    for (const _step of index.applyInSteps({ updates, removals: removed, unknown: name => warnOfUnknown(name, log) })) {
      if (++steps % stepsPerTurn === 0) await setImmediate()
    }
    return rejections
  }
}

export function createAuthorizationHandler(store: PolicyStore): ResourceHandler {
  return async ({ resources, removed }) => {
    const read = (bytes: Uint8Array) => convertAuthorization(decodeAuthorization(bytes))
    const { accepted, rejections } = await readEach(resources, read)
    store.apply({ updates: accepted, removals: removed })
    return rejections
  }
}

function readAddress(bytes: Uint8Array, interner: Interner): AddressUpdate {
  const { workload, service } = decodeAddress(bytes)
  if (workload !== undefined) return { kind: 'workload', workload: convertWorkload(workload, interner) }
  if (service !== undefined) return { kind: 'service', service: convertService(service, interner) }
  throw rejected('an Address holds neither a workload nor a service')
}

async function readEach<Value>(
  resources: readonly ResourceMessage[],
  read: (bytes: Uint8Array) => Value
): Promise<{ accepted: readonly (readonly [string, Value])[]; rejections: readonly RejectedResource[] }> {
  const accepted: [string, Value][] = []
  const rejections: RejectedResource[] = []
  for (const [position, { name = '', resource }] of resources.entries()) {
    if (position > 0 && position % stepsPerTurn === 0) await setImmediate()
    try {
      if (resource === undefined) throw rejected('the resource is empty')
      accepted.push([name, read(resource.value ?? new Uint8Array())])
    } catch (error) {
      if (!(error instanceof WorkloadsError)) throw error
      rejections.push({ name, reason: error.message })
    }
  }
  return { accepted, rejections }
}

/** A uid we never had is nothing special; anything else that is unknown hints at a mistake of the server's. */
function warnOfUnknown(name: string, log: DiscoveryLog): void {
  if (name.split('/').length <= 2) log.warn('removal of an unknown resource', { resource: name })
}
