import { dumpPolicy } from '../dump/dump-policy.ts'
import { type Dump, dumpService, dumpWorkload, map } from '../dump/dump-workload.ts'
import type { Authorization } from '../model/authorization.ts'
import type { Workload } from '../model/workload.ts'
import type { PolicyStore } from '../state/policy-store.ts'
import type { AddressUpdate, WorkloadIndex } from '../state/workload-index.ts'
import type { LoadedConfig } from './load-local-config.ts'
import type { LocalService } from './read-address.ts'
import { readLocalConfig } from './read-local-config.ts'

/** The state a proxy starts with instead of, or beneath, the control plane's: docs/spec/zds.md 5.4. */
export interface LocalConfig {
  readonly workloads: readonly Workload[]
  readonly services: readonly LocalService[]
  readonly policies: readonly Authorization[]
}

/** YAML (or JSON) to state; throws WORKLOADS_LOCAL_CONFIG naming the first thing that is wrong. */
export function parseLocalConfig(yaml: string): LocalConfig {
  const config = {
    workloads: [] as Workload[],
    services: [] as LocalService[],
    policies: [] as Authorization[]
  }
  readLocalConfig(() => [yaml], {
    workload: workload => config.workloads.push(workload),
    service: service => config.services.push(service),
    policy: policy => config.policies.push(policy),
    restart() {
      for (const list of Object.values(config)) list.length = 0
    }
  })
  return config
}

export function applyLocalConfig(
  { workloads, services, policies }: LocalConfig,
  { index, policies: store }: LocalState
): void {
  index.apply({ updates: updatesOf({ workloads, services }), removals: [] })
  store.apply({ updates: policies.map(keyed), removals: [] })
}

export interface LocalState {
  readonly index: WorkloadIndex
  readonly policies: PolicyStore
}

/** Services first: then no endpoint waits for its own. */
export function* updatesOf({
  workloads,
  services
}: {
  readonly workloads: Iterable<Workload>
  readonly services: Iterable<LocalService>
}): Generator<AddressUpdate> {
  for (const service of services) yield { kind: 'service', service }
  for (const workload of workloads) yield { kind: 'workload', workload }
}

export const keyed = (policy: Authorization): readonly [string, Authorization] => [
  `${policy.namespace}/${policy.name}`,
  policy
]

/** `staticConfig` of the dump: the file itself, whatever the control plane said since. Its lists are made on the way. */
export function dumpLocalConfig({ workloads, services, policies }: LoadedConfig): Dump {
  return {
    workloads: map(workloads, dumpWorkload),
    services: map(services, dumpService),
    policies: map(policies, dumpPolicy)
  }
}
