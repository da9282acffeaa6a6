import path from 'node:path'
import { BenchError } from '../errors.ts'

/** One run of wrk. Times in microseconds. */
export interface WrkResult {
  readonly requests: number
  readonly microseconds: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
}

export interface WrkOptions {
  readonly url: string
  readonly connections: number
  readonly seconds: number
  readonly headers?: readonly string[]
}

const threads = 2
const script = path.join(import.meta.dirname, 'wrk-report.lua')

export function wrkCommand({ url, connections, seconds, headers = [] }: WrkOptions): string[] {
  const flags = [`-t${Math.min(threads, connections)}`, `-c${connections}`, `-d${seconds}s`, '--timeout', '5s']
  return ['wrk', ...flags, ...headers.flatMap(header => ['-H', header]), '-s', script, url]
}

const failures = ['connect', 'read', 'write', 'status', 'timeout'] as const

/** @throws BenchError BENCH_REFUSED for a run with failed requests, or with none. */
export function parseWrk(stdout: string): WrkResult {
  const line = stdout.trimEnd().split('\n').at(-1) ?? ''
  let report: Record<string, number>
  try {
    report = JSON.parse(line)
  } catch (cause) {
    throw new BenchError('BENCH_REFUSED', `wrk did not end with its report but with '${line.slice(0, 200)}'`, { cause })
  }
  const failed = failures.filter(name => report[name] !== 0).map(name => `${name} ${report[name]}`)
  if (failed.length > 0) throw new BenchError('BENCH_REFUSED', `wrk counted errors: ${failed.join(', ')}`)
  const { requests = 0, microseconds = 0, p50 = 0, p90 = 0, p99 = 0 } = report
  if (requests === 0) throw new BenchError('BENCH_REFUSED', 'wrk got no answer at all')
  return { requests, microseconds, p50, p90, p99 }
}
