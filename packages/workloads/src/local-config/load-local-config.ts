import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { extname } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { deserialize } from 'node:v8'
import { WorkloadsError } from '../errors.ts'
import type { Authorization } from '../model/authorization.ts'
import { serviceKey, type Workload } from '../model/workload.ts'
import { decodeWorkload, type SharedLookup, type SharedValue } from '../state/compact/workload-record.ts'
import { keyed, type LocalState, updatesOf } from './local-config.ts'
import type { LocalService } from './read-address.ts'
import { complaint } from './reader.ts'
import type { ReaderMessage } from './reader-messages.ts'

/** What a file holds, read and right, in little memory: workloads are made as they are gone through. */
export interface LoadedConfig {
  readonly workloads: Iterable<Workload>
  readonly services: readonly LocalService[]
  readonly policies: readonly Authorization[]
}

/**
 * Reads a local configuration file of any size in a process of its own, so that nobody waits for it and the memory it
 * takes is given back. Rejects with WORKLOADS_LOCAL_CONFIG for one that cannot be used.
 */
export async function loadLocalConfig(path: string): Promise<LoadedConfig> {
  let parts: LoadedConfig[] = []
  for await (const part of partsOf(path)) {
    if (part === 'restart') parts = []
    else parts.push(part)
  }
  return {
    services: parts.flatMap(({ services }) => services),
    policies: parts.flatMap(({ policies }) => policies),
    workloads: {
      *[Symbol.iterator]() {
        for (const { workloads } of parts) yield* workloads
      }
    }
  }
}

/**
 * The same, each part put in force while the next is read: for a start, where nothing is served yet and a file that
 * turns out wrong ends everything. Resolves with the names, where they are wanted.
 */
export async function applyLocalFile(
  path: string,
  state: LocalState,
  { withNames = false }: { withNames?: boolean } = {}
): Promise<LocalNames> {
  const addresses = new Set<string>()
  const policies = new Set<string>()
  for await (const part of partsOf(path)) {
    // What comes again after a restart comes as it was.
    if (part === 'restart') continue
    await applyLoadedConfig(part, state)
    if (!withNames) continue
    const names = namesOf(part)
    for (const name of names.addresses) addresses.add(name)
    for (const name of names.policies) policies.add(name)
  }
  return { addresses, policies }
}

async function* partsOf(path: string): AsyncGenerator<LoadedConfig | 'restart'> {
  const texts: string[] = ['']
  const values: (SharedValue | undefined)[] = [undefined]
  const shared = { text: (id: number) => texts[id]!, value: (id: number) => values[id]! }
  for await (const message of messagesOf(path)) {
    if (message.kind === 'restart') yield 'restart'
    else if (message.kind === 'failed') {
      throw message.code === undefined
        ? complaint(message.message)
        : new WorkloadsError(message.code as WorkloadsError['code'], message.message)
    } else if (message.kind === 'some') {
      texts.push(...message.texts)
      values.push(...message.values)
      // Otherwise a view of the whole message.
      const records = Buffer.from(message.workloads)
      yield { workloads: workloadsIn(records, shared), services: message.services, policies: message.policies }
    }
  }
}

const workloadsIn = (records: Buffer, shared: SharedLookup): Iterable<Workload> => ({
  *[Symbol.iterator]() {
    let length = 0
    for (let at = 4; at <= records.length; at += length + 4) {
      length = records.readUInt32LE(at - 4)
      yield decodeWorkload(records.subarray(at, at + length), shared)!
    }
  }
})

// Sources run as they are, builds as JavaScript: the same extension as this file's.
const readerProgram = fileURLToPath(new URL(`./reader-process${extname(import.meta.url)}`, import.meta.url))

/** It makes many small objects, lets go of them at once, and does not live long. */
const readerFlags = ['--max-semi-space-size=16']

/** All that the reader says, up to its end. */
async function* messagesOf(path: string): AsyncGenerator<ReaderMessage> {
  const child = spawn(process.execPath, [...readerFlags, readerProgram, path], {
    stdio: ['ignore', 'ignore', 'inherit', 'pipe']
  })
  const exited = once(child, 'exit')
  // Until somebody waits for it.
  exited.catch(() => undefined)
  let last: ReaderMessage | undefined
  try {
    for await (const message of framed(child.stdio[3] as Readable)) {
      last = message
      yield message
    }
    const [status, signal] = await exited
    if (last?.kind !== 'done' && last?.kind !== 'failed') throw complaint(`its reader ended with ${signal ?? status}`)
  } finally {
    child.kill()
  }
}

async function* framed(stream: Readable): AsyncGenerator<ReaderMessage> {
  let pieces: Buffer[] = []
  let held = 0
  let wanted = 4
  for await (const piece of stream as AsyncIterable<Buffer>) {
    pieces.push(piece)
    held += piece.length
    if (held < wanted) continue
    let rest = Buffer.concat(pieces, held)
    while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32LE()) {
      const end = 4 + rest.readUInt32LE()
      yield deserialize(rest.subarray(4, end)) as ReaderMessage
      rest = rest.subarray(end)
    }
    pieces = [rest]
    held = rest.length
    wanted = held < 4 ? 4 : 4 + rest.readUInt32LE()
  }
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
