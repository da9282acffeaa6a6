import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { StringDecoder } from 'node:string_decoder'
import { serialize } from 'node:v8'
import { WorkloadsError } from '../errors.ts'
import type { Authorization } from '../model/authorization.ts'
import { createPool } from '../state/compact/pool.ts'
import { createWorkloadRecords, type SharedValue } from '../state/compact/workload-record.ts'
import type { LocalService } from './read-address.ts'
import { readLocalConfig } from './read-local-config.ts'
import type { ReaderMessage } from './reader-messages.ts'

/** A program: reads the file that its argument names and writes what is in it to descriptor 3. */
const channel = 3
const piece = 256 * 1024
const batchBytes = 256 * 1024

function* pieces(path: string): Generator<string> {
  const file = openSync(path, 'r')
  try {
    const decoder = new StringDecoder('utf8')
    const buffer = Buffer.allocUnsafe(piece)
    for (let read = readSync(file, buffer); read > 0; read = readSync(file, buffer)) {
      yield decoder.write(buffer.subarray(0, read))
    }
    yield decoder.end()
  } finally {
    closeSync(file)
  }
}

function read(path: string, post: (message: ReaderMessage) => void): void {
  let texts: string[] = []
  let values: SharedValue[] = []
  let services: LocalService[] = []
  let policies: Authorization[] = []
  let batch = Buffer.allocUnsafeSlow(batchBytes)
  let used = 0
  const records = createWorkloadRecords({
    texts: createPool<string>(text => texts.push(text)),
    values: createPool<SharedValue>(value => values.push(value))
  })

  function flush(): void {
    const workloads = batch.subarray(0, used)
    post({ kind: 'some', workloads, texts, values, services, policies })
    ;[texts, values, services, policies, used] = [[], [], [], [], 0]
  }

  readLocalConfig(() => pieces(path), {
    workload(workload) {
      const record = records.encode(workload)
      if (used + 4 + record.length > batch.length) {
        flush()
        if (record.length + 4 > batch.length) batch = Buffer.allocUnsafeSlow(record.length + 4)
      }
      used = batch.writeUInt32LE(record.length, used)
      batch.set(record, used)
      used += record.length
    },
    service: service => services.push(service),
    policy: policy => policies.push(policy),
    restart() {
      flush()
      post({ kind: 'restart' })
    }
  })
  flush()
  post({ kind: 'done' })
}

function post(message: ReaderMessage): void {
  const bytes = serialize(message)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(bytes.length)
  for (const part of [length, bytes]) {
    for (let written = 0; written < part.length; ) written += writeSync(channel, part, written)
  }
}

const [, , path = ''] = process.argv
try {
  read(path, post)
} catch (error) {
  const message = error instanceof Error ? error.message : String(error)
  post({ kind: 'failed', message, ...(error instanceof WorkloadsError && { code: error.code }) })
}
