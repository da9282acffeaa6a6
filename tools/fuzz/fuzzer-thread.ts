import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { getHeapStatistics } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { parentPort, workerData } from 'node:worker_threads'
import { defaultMaxBytes, mutate, Random } from '../../packages/testing/src/index.ts'
import { measureCoverage } from './coverage.ts'
import { loadTarget } from './find-targets.ts'
import { openSlot } from './input-slot.ts'
import { saveInput } from './save-input.ts'

export interface FuzzerData {
  readonly name: string
  readonly file: string
  readonly seconds: number
  readonly seed: number
  readonly maxFindings: number
  /** The directory. */
  readonly corpus: string
  readonly shared: SharedArrayBuffer
}

export interface FuzzerReport {
  readonly findings: readonly Finding[]
  readonly executions: number
  readonly taken: number
  readonly cpuSeconds: number
  /** Octets in use at the end, after a collection. */
  readonly heap: number
}

interface Finding {
  readonly input: Uint8Array
  readonly why: string
}

/**
 * Taking the coverage costs as much as a hundred inputs: so of so many together, which are divided where they show
 * something. One of each batch is examined anyway, for what shows only in numbers.
 */
const batchSize = 256
/** CPU time for one input, in microseconds: a peer that sends one such message after another must not stop the process. */
const maxCpu = 250_000
/** Octets that one input may have us allocate. */
const maxAllocated = 32 * 2 ** 20
/** Octets in use, after a collection, above those after the seeds. */
const maxGrowth = 64 * 2 ** 20
const minimizeMs = 10_000

const { name, file, seconds, seed, maxFindings, corpus: directory, shared } = workerData as FuzzerData
const collect = runInNewContext('gc') as () => void

const coverage = await measureCoverage()
const target = await loadTarget(name, file)
const slot = openSlot(shared)
const random = new Random(seed)
const known: Buffer[] = []
const findings = new Map<string, Finding>()
/** When it is enough, by performance.now(). */
let end = Number.POSITIVE_INFINITY
let executions = 0
let taken = 0

async function fuzz(): Promise<FuzzerReport> {
  const words = target.words ?? []
  const maxBytes = target.maxBytes ?? defaultMaxBytes
  const change = target.mutate ?? mutate
  const start = [...target.seeds, ...readdirSync(directory).map(each => readFileSync(path.join(directory, each)))]
  // Once for what is compiled or read at first use, then as all others.
  for (const input of start) await execute(input)
  for (const input of start) await examine(input)
  if (known.length === 0) known.push(...target.seeds)
  const heap = used()
  end = performance.now() + seconds * 1000
  while (performance.now() < end && findings.size < maxFindings) {
    const inputs = Array.from({ length: batchSize }, () =>
      change(random, { input: newerOne(), other: newerOne(), words, maxBytes })
    )
    for (const input of inputs) {
      if (performance.now() > end) break
      const begun = performance.now()
      const why = await execute(input)
      const isSlow = performance.now() - begun > maxCpu / 1000
      const finding = why ?? (isSlow ? await executeMeasured(input) : undefined)
      if (finding !== undefined) await report(input, finding)
    }
    if (await coverage.showsNew()) await search(inputs)
    await examine(random.pick(inputs))
    // Whoever watches must be heard.
    await setImmediate()
    if (allocated() - heap > 2 * maxGrowth && used() - heap > maxGrowth) {
      findings.set('growth', { input: inputs.at(-1)!, why: `${used() - heap} octets more in use than after the seeds` })
      break
    }
  }
  const { user, system } = process.threadCpuUsage()
  return { findings: [...findings.values()], executions, taken, cpuSeconds: (user + system) / 1e6, heap: used() }
}

/** What goes wrong with an input, in one line and a stack. */
async function execute(input: Buffer): Promise<string | undefined> {
  slot.put(input)
  executions++
  try {
    if (await target.run(Buffer.from(input))) taken++
    return undefined
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error)
  }
}

/** The same, and what it takes. */
async function executeMeasured(input: Buffer): Promise<string | undefined> {
  const cpu = process.threadCpuUsage()
  const before = allocated()
  const why = await execute(input)
  const growth = allocated() - before
  const { user, system } = process.threadCpuUsage(cpu)
  if (why !== undefined) return why
  if (user + system > maxCpu) return `takes ${user + system} µs of CPU time for ${input.length} octets`
  return growth > maxAllocated ? `allocates ${growth} octets for ${input.length}` : undefined
}

/** Some of these lead where none has led before. */
async function search(inputs: readonly Buffer[]): Promise<void> {
  if (inputs.length === 1) return await examine(inputs[0]!)
  const middle = inputs.length >> 1
  for (const half of [inputs.slice(0, middle), inputs.slice(middle)]) {
    if (performance.now() > end) return
    for (const input of half) await execute(input)
    if (await coverage.showsNew()) await search(half)
  }
}

/** Keeps an input that leads where none has led before. */
async function examine(input: Buffer): Promise<void> {
  const why = await executeMeasured(input)
  if (why !== undefined) await report(input, why)
  if (!(await coverage.learnsNew())) return
  known.push(input)
  saveInput(directory, input)
}

/** The newer ones more often. */
const newerOne = (): Buffer => known[Math.max(random.below(known.length), random.below(known.length))]!

async function report(input: Buffer, why: string): Promise<void> {
  const key = keyOf(why)
  // What a collection happened to cost is not the input's doing.
  if (findings.has(key) || !(await again(input, key))) return
  findings.set(key, { input, why })
  findings.set(key, { input: await minimized(input, key), why })
}

const again = async (input: Buffer, key: string): Promise<boolean> => {
  const why = await executeMeasured(input)
  return why !== undefined && keyOf(why) === key
}

/** The same defect has the same message, but for numbers, and the same place. */
const keyOf = (why: string): string => {
  const [message = '', ...stack] = why.split('\n')
  return `${message.replaceAll(/[0-9]+/g, 'N').slice(0, 60)} ${stack.find(line => /^\s+at /.test(line)) ?? ''}`
}

async function minimized(input: Buffer, key: string): Promise<Buffer> {
  const end = performance.now() + minimizeMs
  let small = input
  for (let size = Math.ceil(input.length / 2); size >= 1 && performance.now() < end; size = Math.floor(size / 2)) {
    for (let at = 0; at < small.length && performance.now() < end; ) {
      const without = Buffer.concat([small.subarray(0, at), small.subarray(at + size)])
      if (await again(without, key)) small = without
      else at += size
    }
  }
  return small
}

function allocated(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics()
  return heap + external
}

function used(): number {
  collect()
  return allocated()
}

parentPort!.postMessage(await fuzz())
