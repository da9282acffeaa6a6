import {
  authorizationPolicies,
  type IstioCondition,
  type KubernetesClient,
  KubernetesError,
  type KubernetesObject,
  type Resource,
  serviceEntries,
  services,
  workloadEntries
} from '@culvert/kubernetes'
import type { Logger } from '@culvert/telemetry'
import type { Inventory } from '../inventory/inventory.ts'
import type { ManagedStatus } from '../resources/conditions.ts'
import { createWorkQueue } from '../work-queue.ts'

interface Conditioned extends KubernetesObject {
  status?: { conditions?: readonly IstioCondition[] }
}

/** The status that one field manager should apply; undefined: what is there is right. */
export function statusPatch(
  object: Conditioned,
  { owns, wants }: ManagedStatus,
  now: Date
): { status: { conditions: IstioCondition[] } } | undefined {
  const generation = object.metadata?.generation
  const existing = (object.status?.conditions ?? []).filter(({ type }) => owns.includes(type ?? ''))
  const same = wants.every(({ type, status, reason, message }) => {
    const found = existing.find(condition => condition.type === type)
    return (
      found?.status === status &&
      found.reason === reason &&
      found.message === message &&
      Number(found.observedGeneration ?? 0) === (generation ?? 0)
    )
  })
  if (same && existing.length === wants.length) return undefined
  const conditions = wants.map(({ type, status, reason, message }) => {
    const before = existing.find(condition => condition.type === type)
    const unmoved = before?.status === status ? before.lastTransitionTime : undefined
    return {
      type,
      status,
      reason,
      message,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
      lastTransitionTime: unmoved ?? now.toISOString().replace(/\.\d+Z$/, 'Z')
    }
  })
  return { status: { conditions } }
}

const resources: Readonly<Record<string, Resource<Conditioned>>> = {
  authorizationPolicy: authorizationPolicies as Resource<Conditioned>,
  service: services as Resource<Conditioned>,
  serviceEntry: serviceEntries as Resource<Conditioned>,
  workloadEntry: workloadEntries as Resource<Conditioned>
}

export interface ConditionWriter {
  /** Looks at the objects whose wanted conditions were computed since. */
  update(): void
  /** Looks at all of them: the lead was won. */
  refresh(): void
}

/** Writes conditions by server-side apply, each manager its own, only where something differs. */
export function createConditionWriter(options: {
  readonly client: KubernetesClient
  readonly inventory: Inventory
  readonly leads: () => boolean
  readonly log: Logger
  readonly signal: AbortSignal
}): ConditionWriter {
  const { client, inventory, leads, log, signal } = options

  async function write(unit: string): Promise<void> {
    const [kind = '', key = ''] = unit.split(' ', 2)
    const [namespace = '', name = ''] = key.split('/', 2)
    const resource = resources[kind]
    if (resource === undefined) return
    const table = inventory.tables[kind as keyof Inventory['tables']]
    for (const managed of inventory.statusesOf(unit)) {
      const object = table.get(namespace, name) as Conditioned | undefined
      const patch = object && statusPatch(object, managed, new Date())
      if (patch === undefined) continue
      const { fieldManager } = managed
      const body = { metadata: { namespace, name }, ...patch }
      const write = { type: 'apply', subresource: 'status', fieldManager, force: true, signal } as const
      await client.patch(resource, { namespace, name }, body, write)
    }
  }

  const queue = createWorkQueue({
    workers: 4,
    attempts: 5,
    signal,
    async visit(unit) {
      if (!leads()) return
      await write(unit).catch(error => {
        // Deleted in the meantime.
        if (!(error instanceof KubernetesError && error.status === 404)) throw error
      })
    },
    onError: (unit, error) => log.warn(`cannot write the conditions of ${unit}: ${error.message}`)
  })
  const enqueue = (units: Iterable<string>): void => {
    for (const unit of units) queue.add(unit)
  }

  return {
    update: () => enqueue(inventory.takeStatusChanges()),
    refresh: () => enqueue(inventory.unitsWithStatus())
  }
}
