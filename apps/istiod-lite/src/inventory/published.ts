import {
  type AddressMessage,
  type AuthorizationMessage,
  encodeAddress,
  encodeAuthorization,
  resourceVersion
} from '@culvert/workloads'
import { ipText } from '../resources/ip-address.ts'
import { addressAlias } from '../resources/names.ts'
import { createMultimap } from './multimap.ts'

/** Encoded once, when computed; every client shares the bytes (docs/spec/workload-xds.md 5). */
export interface PublishedAddress {
  readonly name: string
  readonly version: string
  readonly bytes: Uint8Array
  readonly message: AddressMessage
}

export interface PublishedPolicy {
  readonly name: string
  readonly bytes: Uint8Array
  readonly message: AuthorizationMessage
}

export interface Changes {
  readonly addresses: Set<string>
  readonly policies: Set<string>
}

export interface Published {
  address(name: string): PublishedAddress | undefined
  addresses(): Iterable<PublishedAddress>
  policy(name: string): PublishedPolicy | undefined
  policies(): Iterable<PublishedPolicy>
  /** Names of the workloads whose `services` hold this `namespace/hostname`. */
  workloadsOfService(key: string): ReadonlySet<string>
  workloadsOnNode(node: string): ReadonlySet<string>
  /** What an on-demand key means: a uid, `network/ip`, or `namespace/hostname` (docs/spec/workload-xds.md 1.7). */
  resolve(key: string): string[]
  /** Names that changed since the last call. */
  takeChanges(): Changes
}

export interface Publisher extends Published {
  /** What one unit publishes now; whatever it published before and does not any more is gone. */
  publish(unit: string, addresses: readonly AddressMessage[], policies: readonly AuthorizationMessage[]): void
}

function addressName({ workload, service }: AddressMessage): string {
  if (workload !== undefined) return workload.uid ?? ''
  return `${service?.namespace ?? ''}/${service?.hostname ?? ''}`
}

/** Every `network/ip`, and `network/ip/prefix`, that stands for the resource. */
export function aliasesOf({ workload, service }: AddressMessage): string[] {
  if (workload !== undefined) {
    return (workload.addresses ?? []).map(bytes => addressAlias(workload.network ?? '', ipText(bytes)))
  }
  return (service?.addresses ?? []).map(({ network = '', address, length }) => {
    const alias = addressAlias(network, ipText(address ?? new Uint8Array(4)))
    return length === undefined ? alias : `${alias}/${length}`
  })
}

export function createPublisher(): Publisher {
  const addresses = new Map<string, PublishedAddress>()
  const policies = new Map<string, PublishedPolicy>()
  const byUnit = new Map<string, { addresses: Set<string>; policies: Set<string> }>()
  // A host may pass from one object to another in either order; only its present owner can take it away.
  const owners = new Map<string, string>()
  const byAlias = createMultimap<string>()
  const byService = createMultimap<string>()
  const byNode = createMultimap<string>()
  let changes: Changes = { addresses: new Set(), policies: new Set() }

  function index({ name, message }: PublishedAddress, action: 'add' | 'delete'): void {
    for (const alias of aliasesOf(message)) byAlias[action](alias, name)
    if (message.workload === undefined) return
    for (const key of Object.keys(message.workload.services ?? {})) byService[action](key, name)
    if (message.workload.node) byNode[action](message.workload.node, name)
  }

  function putAddress(message: AddressMessage): string {
    const name = addressName(message)
    const bytes = encodeAddress(message)
    const version = resourceVersion(bytes)
    const old = addresses.get(name)
    if (old?.version === version) return name
    if (old !== undefined) index(old, 'delete')
    const entry = { name, version, bytes, message }
    addresses.set(name, entry)
    index(entry, 'add')
    changes.addresses.add(name)
    return name
  }

  function removeAddress(name: string, unit: string): void {
    const old = addresses.get(name)
    if (old === undefined || owners.get(name) !== unit) return
    owners.delete(name)
    index(old, 'delete')
    addresses.delete(name)
    changes.addresses.add(name)
  }

  function putPolicy(message: AuthorizationMessage): string {
    const name = `${message.namespace ?? ''}/${message.name ?? ''}`
    const bytes = encodeAuthorization(message)
    const old = policies.get(name)
    if (old === undefined || Buffer.compare(old.bytes, bytes) !== 0) {
      policies.set(name, { name, bytes, message })
      changes.policies.add(name)
    }
    return name
  }

  return {
    publish(unit, newAddresses, newPolicies) {
      const old = byUnit.get(unit)
      const now = { addresses: new Set(newAddresses.map(putAddress)), policies: new Set(newPolicies.map(putPolicy)) }
      for (const name of now.addresses) owners.set(name, unit)
      for (const name of old?.addresses ?? []) if (!now.addresses.has(name)) removeAddress(name, unit)
      for (const name of old?.policies ?? []) {
        if (!now.policies.has(name) && policies.delete(name)) changes.policies.add(name)
      }
      if (now.addresses.size + now.policies.size > 0) byUnit.set(unit, now)
      else byUnit.delete(unit)
    },
    address: name => addresses.get(name),
    addresses: () => addresses.values(),
    policy: name => policies.get(name),
    policies: () => policies.values(),
    workloadsOfService: key => byService.get(key),
    workloadsOnNode: node => byNode.get(node),
    resolve(key) {
      const found = addresses.has(key) ? [key] : [...byAlias.get(key)]
      // "Who is at this ip": workloads before the service whose VIP it is.
      const workloads = found.filter(name => addresses.get(name)?.message.workload !== undefined)
      const chosen = workloads.length > 0 ? workloads : found
      return chosen.flatMap(name => {
        const isService = addresses.get(name)?.message.service !== undefined
        return isService ? [name, ...byService.get(name)] : [name]
      })
    },
    takeChanges() {
      const taken = changes
      changes = { addresses: new Set(), policies: new Set() }
      return taken
    }
  }
}
