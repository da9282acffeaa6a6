import type { ResourceMessage } from '@culvert/workloads'
import { addressTypeUrl } from '@culvert/workloads'
import { aliasesOf, type Published, type PublishedAddress } from '../inventory/published.ts'
import type { Subscription } from './subscription.ts'

export interface Delta {
  readonly resources: ResourceMessage[]
  readonly removed: string[]
}

export const isNothing = ({ resources, removed }: Delta): boolean => resources.length === 0 && removed.length === 0

function resource({ name, version, bytes, message }: PublishedAddress, withAliases: boolean): ResourceMessage {
  const plain = { name, version, resource: { typeUrl: addressTypeUrl, value: bytes } }
  return withAliases ? { ...plain, aliases: aliasesOf(message) } : plain
}

/** A wildcard stream asks: everything, but not what it holds already; and what it holds that is gone. */
export function wildcardAnswer(published: Published, held: Readonly<Record<string, string>>): Delta {
  const resources: ResourceMessage[] = []
  for (const entry of published.addresses()) {
    const heldVersion = Object.hasOwn(held, entry.name) ? held[entry.name] : undefined
    if (heldVersion !== entry.version) resources.push(resource(entry, false))
  }
  return { resources, removed: Object.keys(held).filter(name => published.address(name) === undefined) }
}

/** The changed names, with every workload of a changed Service: a client may have lost its endpoints (3.3). */
export function wildcardChange(published: Published, changed: Iterable<string>): Delta {
  const names = new Set<string>()
  for (const name of changed) {
    names.add(name)
    for (const workload of published.workloadsOfService(name)) names.add(workload)
  }
  const delta: Delta = { resources: [], removed: [] }
  for (const name of names) {
    const entry = published.address(name)
    if (entry === undefined) delta.removed.push(name)
    else delta.resources.push(resource(entry, false))
  }
  return delta
}

/** An on-demand stream asks for keys. What it gets, and every workload of its own node, it is subscribed to. */
export function demandAnswer(
  published: Published,
  subscription: Subscription,
  keys: Iterable<string>,
  node: string | undefined
): Delta {
  const delta: Delta = { resources: [], removed: [] }
  const answered = new Set<string>()
  const give = (name: string): void => {
    const entry = published.address(name)
    if (entry === undefined || answered.has(name)) return
    answered.add(name)
    subscription.names.add(name)
    delta.resources.push(resource(entry, true))
  }
  for (const key of keys) {
    if (key === '*') continue
    subscription.names.add(key)
    const names = published.resolve(key)
    if (names.length === 0) delta.removed.push(key)
    names.forEach(give)
  }
  if (node !== undefined && node !== '') for (const name of published.workloadsOnNode(node)) give(name)
  return delta
}

/** Changed names that an on-demand stream knows, workloads of its services, and new ones of its node. */
export function demandChange(
  published: Published,
  subscription: Subscription,
  changed: Iterable<string>,
  node: string | undefined
): Delta {
  const delta: Delta = { resources: [], removed: [] }
  const names = new Set<string>()
  for (const name of changed) {
    const message = published.address(name)?.message
    const services = Object.keys(message?.workload?.services ?? {})
    const local = node !== undefined && node !== '' && message?.workload?.node === node
    const known = subscription.names.has(name)
    if (known) for (const workload of published.workloadsOfService(name)) names.add(workload)
    if (known || local || services.some(key => subscription.names.has(key))) names.add(name)
  }
  for (const name of names) {
    const entry = published.address(name)
    if (entry === undefined) {
      delta.removed.push(name)
      continue
    }
    subscription.names.add(name)
    delta.resources.push(resource(entry, true))
  }
  return delta
}
