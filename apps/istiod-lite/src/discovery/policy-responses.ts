import { authorizationTypeUrl, type ResourceMessage } from '@culvert/workloads'
import type { Published, PublishedPolicy } from '../inventory/published.ts'
import type { Delta } from './address-responses.ts'

// Policies carry no version (docs/spec/workload-xds.md 1.7), so a client that comes back gets them all again.
const resource = ({ name, bytes }: PublishedPolicy): ResourceMessage => ({
  name,
  resource: { typeUrl: authorizationTypeUrl, value: bytes }
})

export function policyAnswer(published: Published, held: Readonly<Record<string, string>>): Delta {
  return {
    resources: [...published.policies()].map(resource),
    removed: Object.keys(held).filter(name => published.policy(name) === undefined)
  }
}

export function policyChange(published: Published, changed: Iterable<string>): Delta {
  const delta: Delta = { resources: [], removed: [] }
  for (const name of changed) {
    const entry = published.policy(name)
    if (entry === undefined) delta.removed.push(name)
    else delta.resources.push(resource(entry))
  }
  return delta
}
