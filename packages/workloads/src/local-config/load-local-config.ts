import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { WorkloadsError } from '../errors.ts'
import type { Authorization } from '../model/authorization.ts'
import { serviceKey, type Workload } from '../model/workload.ts'
import { decodeWorkload, type SharedValue } from '../state/compact/workload-record.ts'
import { keyed, type LocalState, updatesOf } from './local-config.ts'
import type { LocalService } from './read-address.ts'
import { complaint } from './reader.ts'
import type { WorkerMessage } from './worker-messages.ts'

/** What a file holds, read and right, in little memory: workloads are made as they are gone through. */
export interface LoadedConfig {
  readonly workloads: Iterable<Workload>
  readonly services: readonly LocalService[]
  readonly policies: readonly Authorization[]
}

/**
 * Reads a local configuration file of any size on a thread of its own, so that nobody waits for it and what it takes is
 * given back. Rejects with WORKLOADS_LOCAL_CONFIG for one that cannot be used.
 */
export async function loadLocalConfig(path: string): Promise<LoadedConfig> {
  const records: Uint8Array[] = []
  const texts: string[] = ['']
  const values: (SharedValue | undefined)[] = [undefined]
  const services: LocalService[] = []
  const policies: Authorization[] = []
  for await (const message of messagesOf(path)) {
    if (message.kind === 'restart') {
      for (const list of [records, services, policies]) list.length = 0
    } else if (message.kind === 'failed') {
      throw message.code === undefined
        ? complaint(message.message)
        : new WorkloadsError(message.code as WorkloadsError['code'], message.message)
    } else if (message.kind === 'some') {
      records.push(message.workloads)
      texts.push(...message.texts)
      values.push(...message.values)
      services.push(...message.services)
      policies.push(...message.policies)
    }
  }
  const shared = { text: (id: number) => texts[id]!, value: (id: number) => values[id]! }
  return {
    services,
    policies,
    workloads: {
      *[Symbol.iterator]() {
        for (const some of records) {
          const bytes = Buffer.from(some.buffer, some.byteOffset, some.byteLength)
          let length = 0
          for (let at = 4; at <= bytes.length; at += length + 4) {
            length = bytes.readUInt32LE(at - 4)
            yield decodeWorkload(bytes.subarray(at, at + length), shared)!
          }
        }
      }
    }
  }
}

/** All that the thread says, up to its end. */
async function* messagesOf(path: string): AsyncGenerator<WorkerMessage> {
  // Sources run as they are, builds as JavaScript: the same extension as this file's.
  const worker = new Worker(new URL(`./worker${extname(import.meta.url)}`, import.meta.url), { workerData: path })
  const waiting: WorkerMessage[] = []
  let wake = Promise.withResolvers<void>()
  let ended = false
  let failure: unknown
  worker.on('message', (message: WorkerMessage) => {
    waiting.push(message)
    wake.resolve()
  })
  worker.on('error', error => {
    failure = error
  })
  worker.on('exit', () => {
    ended = true
    wake.resolve()
  })
  for (;;) {
    for (let message = waiting.shift(); message !== undefined; message = waiting.shift()) yield message
    if (ended) break
    await wake.promise
    wake = Promise.withResolvers()
  }
  if (failure !== undefined) throw failure
}

/** Puts what was loaded in force, in turns. Of the names loaded before, those that are no longer there go. */
export async function applyLoadedConfig(
  config: LoadedConfig,
  { index, policies }: LocalState,
  { before = noNames, now = noNames }: { before?: LocalNames; now?: LocalNames } = {}
): Promise<void> {
  const gone = (kind: keyof LocalNames): string[] => [...before[kind]].filter(name => !now[kind].has(name))
  await index.applyInTurns({ updates: updatesOf(config), removals: gone('addresses') })
  policies.apply({ updates: config.policies.map(keyed), removals: gone('policies') })
}

/** Resource names: of workloads and services, and of policies. */
export interface LocalNames {
  readonly addresses: ReadonlySet<string>
  readonly policies: ReadonlySet<string>
}

export const noNames: LocalNames = { addresses: new Set(), policies: new Set() }

export function namesOf({ workloads, services, policies }: LoadedConfig): LocalNames {
  const addresses = new Set<string>()
  for (const { uid } of workloads) addresses.add(uid)
  for (const service of services) addresses.add(serviceKey(service))
  return { addresses, policies: new Set(policies.map(policy => keyed(policy)[0])) }
}
