import { invalidVariable, SettingError } from './errors.ts'
import type { SettingReader } from './reader.ts'

/** Data threads: `start` from the beginning, more only while one of them needs a CPU of its own, up to `most`. */
export interface ThreadSettings {
  readonly start: number
  readonly most: number
}

/** More than that nobody can name at the data path. */
const limit = 256

/** docs/spec/zds.md 5.1. `concurrency` is the proxy configuration's, `cores` the machine's. */
export function readThreads(read: SettingReader, concurrency: number | undefined, cores: number): ThreadSettings {
  const resourceLimit = quantity(read, 'ZTUNNEL_RESOURCE_CPU_LIMIT')
  const request = quantity(read, 'ZTUNNEL_RESOURCE_CPU_REQUEST') ?? 0
  const cpus = resourceLimit ?? quantity(read, 'ZTUNNEL_CPU_LIMIT') ?? cores
  const wanted = wantedThreads(read, cpus) ?? (concurrency === 0 ? cpus : concurrency)
  if (wanted !== undefined) {
    const threads = atMost(wanted)
    return { start: threads, most: threads }
  }
  const most =
    resourceLimit === undefined ? Math.max(Math.ceil(cpus / 4), request, 2) : Math.max(resourceLimit, request)
  // A second thread beside a busy first one on two CPUs costs more than it carries (native/tunnel/README.md).
  return { start: atMost(Math.min(Math.floor(cpus / 4), most)), most: atMost(most) }
}

const atMost = (threads: number): number => Math.min(Math.max(threads, 1), limit)

function wantedThreads(read: SettingReader, cpus: number): number | undefined {
  const name = 'ZTUNNEL_WORKER_THREADS'
  const text = read.text(name)
  if (text === undefined) return undefined
  const [, number, percent] = /^(\d{1,9})(%?)$/.exec(text) ?? []
  const value = Number(number)
  if (number === undefined || (percent === '%' && (value < 1 || value > 100))) {
    throw invalidVariable(name, text, 'expected a number of threads, 0 for as many as CPUs, or 1% to 100% of the CPUs')
  }
  if (percent === '%') return Math.ceil((cpus * value) / 100)
  return value === 0 ? cpus : value
}

const units: Readonly<Record<string, number>> = { n: 1e-9, u: 1e-6, m: 1e-3, '': 1, k: 1e3 }

/** A Kubernetes quantity of CPUs, rounded up to whole ones. */
function quantity(read: SettingReader, name: string): number | undefined {
  const text = read.text(name)
  if (text === undefined) return undefined
  const [, number, unit = ''] = /^(\d{1,12}(?:\.\d{0,9})?)([numk]?)$/.exec(text) ?? []
  if (number === undefined) throw invalidVariable(name, text, 'expected an amount of CPUs such as 2, 0.5 or 500m')
  // Two thirds of a CPU in floating point must not become one more.
  return Math.ceil(Math.round(Number(number) * (units[unit] ?? 1) * 1e9) / 1e9)
}

/** `concurrency` of the proxy configuration, unless it is no number of threads. */
export function concurrencyOf(value: unknown, source: string): number {
  if (Number.isInteger(value) && Number(value) >= 0) return Number(value)
  throw new SettingError(`concurrency of ${source} is ${JSON.stringify(value)}, expected a number of threads`)
}
