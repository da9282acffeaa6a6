import { mkdirSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { root } from './find-targets.ts'
import type { FuzzerData, FuzzerReport } from './fuzzer-thread.ts'
import { openSlot, slotBytes } from './input-slot.ts'
import { saveInput } from './save-input.ts'

export interface FuzzOptions {
  readonly name: string
  readonly file: string
  readonly seconds: number
  readonly seed: number
  /** An input that takes this long hangs: the thread is ended. */
  readonly hangMs?: number
  /** After so many it ends early. */
  readonly maxFindings?: number
}

/** What a reader may hold beside the corpus and the compiled code, which leaves room for none that hoards. */
const heapMegabytes = 256

/** Fuzzes one target on a thread of its own, so that an endless loop or a full heap has somebody to tell of it. */
export async function fuzz(options: FuzzOptions): Promise<{ findings: readonly string[]; line: string }> {
  const { name, file, seconds, seed, hangMs = 60_000, maxFindings = 10 } = options
  const corpus = path.join(root, 'build/fuzz/corpus', name)
  const directory = path.join(root, 'build/fuzz/findings', name)
  for (const each of [corpus, directory]) mkdirSync(each, { recursive: true })
  const shared = new SharedArrayBuffer(slotBytes)
  const slot = openSlot(shared)
  const findings: string[] = []
  const keep = (input: Buffer, why: string): void => {
    const file = saveInput(directory, input)
    findings.push(`${path.relative(root, file)}: ${why}`)
  }

  const begun = performance.now()
  const workerData: FuzzerData = { name, file, seconds, seed, maxFindings, corpus, shared }
  const worker = new Worker(new URL('./fuzzer-thread.ts', import.meta.url), {
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: heapMegabytes }
  })
  let report: FuzzerReport | undefined
  const ended = new Promise<void>(resolve => {
    worker.on('message', (message: FuzzerReport) => {
      report = message
      for (const { input, why } of message.findings) keep(Buffer.from(input), why)
    })
    worker.on('error', error => keep(slot.input(), `ended the thread: ${error.stack ?? error.message}`))
    worker.on('exit', () => resolve())
  })
  await Promise.race([ended, watch(slot.count, ended, hangMs)])
  if (report === undefined && findings.length === 0) keep(slot.input(), `still runs after ${hangMs / 1000} s`)
  await worker.terminate()
  const took = ((performance.now() - begun) / 1000).toFixed(0)
  const size = readdirSync(corpus).length
  const sum = report === undefined ? `${slot.count()} executions` : described(report)
  return { findings, line: `${name}, corpus ${size}, ${sum}, ${took} s of ${seconds}` }
}

const described = ({ executions, taken, cpuSeconds, heap }: FuzzerReport): string =>
  `${executions} executions (${((100 * taken) / executions).toFixed(0)} % taken), ` +
  `${cpuSeconds.toFixed(0)} CPU s, heap ${(heap / 2 ** 20).toFixed(0)} MiB`

/** Resolves when the count stands still for too long. */
async function watch(count: () => number, ended: Promise<void>, hangMs: number): Promise<void> {
  let isOver = false
  void ended.then(() => {
    isOver = true
  })
  for (let last = -1; !isOver && last !== count(); ) {
    last = count()
    await Promise.race([ended, setTimeout(hangMs, undefined, { ref: false })])
  }
}
