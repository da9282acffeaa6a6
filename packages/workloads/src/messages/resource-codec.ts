import type { AuthorizationMessage } from './authorization-messages.ts'
import { type Codec, codec } from './schema.ts'
import type { AddressMessage, WorkloadMessage } from './workload-messages.ts'

const addresses: Codec<AddressMessage> = codec('istio.workload.Address')
const authorizations: Codec<AuthorizationMessage> = codec('istio.security.Authorization')

/**
 * Map keys are written in order, so equal content has equal bytes, and with them an equal `resourceVersion`
 * (docs/spec/workload-xds.md 1.7).
 */
export function encodeAddress(message: AddressMessage): Uint8Array {
  const { workload } = message
  return addresses.encode(workload?.services ? { workload: withSortedServices(workload) } : message)
}

export function decodeAddress(bytes: Uint8Array): AddressMessage {
  return addresses.decode(bytes)
}

export function encodeAuthorization(message: AuthorizationMessage): Uint8Array {
  return authorizations.encode(message)
}

export function decodeAuthorization(bytes: Uint8Array): AuthorizationMessage {
  return authorizations.decode(bytes)
}

function withSortedServices(workload: WorkloadMessage): WorkloadMessage {
  const entries = Object.entries(workload.services ?? {})
  entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  return { ...workload, services: Object.fromEntries(entries) }
}
