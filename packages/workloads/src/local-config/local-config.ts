import { createRequire } from 'node:module'
import type { ServiceDefinition } from '../conversion/service.ts'
import { dumpPolicy } from '../dump/dump-policy.ts'
import { type Dump, dumpService, dumpWorkload } from '../dump/dump-workload.ts'
import type { Authorization } from '../model/authorization.ts'
import type { Service, Workload } from '../model/workload.ts'
import type { PolicyStore } from '../state/policy-store.ts'
import type { WorkloadIndex } from '../state/workload-index.ts'
import { readService, readWorkload } from './read-address.ts'
import { readPolicy } from './read-policy.ts'
import { complaint, fields, list, theFile } from './reader.ts'
import { stringMatchTags } from './string-match.ts'

/** The state a proxy starts with instead of, or beneath, the control plane's: docs/spec/zds.md 5.4. */
export interface LocalConfig {
  readonly workloads: readonly Workload[]
  readonly services: readonly (ServiceDefinition & Pick<Service, 'endpoints'>)[]
  readonly policies: readonly Authorization[]
}

/** YAML (or JSON) to state; throws WORKLOADS_LOCAL_CONFIG naming the first thing that is wrong. */
export function parseLocalConfig(yaml: string): LocalConfig {
  // Proxies with a control plane have none, and the parser costs 3 MB.
  const { parseDocument } = createRequire(import.meta.url)('yaml') as typeof import('yaml')
  const document = parseDocument(yaml, { customTags: [...stringMatchTags], logLevel: 'error' })
  const [problem] = [...document.errors, ...document.warnings]
  if (problem !== undefined) throw complaint(problem.message, { cause: problem })
  return fields({ place: theFile, value: document.toJS() ?? {} }, ({ optional }) => ({
    workloads: optional('workloads', list(readWorkload), []),
    services: optional('services', list(readService), []),
    policies: optional('policies', list(readPolicy), [])
  }))
}

export function applyLocalConfig(
  { workloads, services, policies }: LocalConfig,
  { index, policies: store }: { readonly index: WorkloadIndex; readonly policies: PolicyStore }
): void {
  const updates = [
    ...services.map(service => ({ kind: 'service', service }) as const),
    ...workloads.map(workload => ({ kind: 'workload', workload }) as const)
  ]
  index.apply({ updates, removals: [] })
  store.apply({ updates: policies.map(policy => [`${policy.namespace}/${policy.name}`, policy]), removals: [] })
}

/** `staticConfig` of the dump: the file itself, whatever the control plane said since. */
export function dumpLocalConfig({ workloads, services, policies }: LocalConfig): Dump {
  return {
    workloads: workloads.map(dumpWorkload),
    services: services.map(dumpService),
    policies: policies.map(dumpPolicy)
  }
}
