import type { HttpRequest, HttpResponse } from '@culvert/telemetry'
import type { ZtunnelProfiler } from './profiler.ts'

/** `/debug/pprof/…`, docs/spec/observability-dns.md 7; undefined for other paths. */
export async function profileResponse(
  { path, query }: Pick<HttpRequest, 'path' | 'query'>,
  profiler: ZtunnelProfiler
): Promise<HttpResponse | undefined> {
  switch (path) {
    case '/debug/pprof/profile':
      return await takeCpuProfile(query, profiler)
    case '/debug/pprof/heap': {
      const body = await profiler.heap()
      const inactive = 'heap profiling is not active: activate it with /debug/pprof/heap/profiling?activate=true\n'
      return body === undefined ? text(500, inactive) : { status: 200, body }
    }
    case '/debug/pprof/heap/profiling':
      return await toggleHeap(query.getAll('activate').at(-1), profiler)
    default:
      return undefined
  }
}

async function takeCpuProfile(query: URLSearchParams, profiler: ZtunnelProfiler): Promise<HttpResponse> {
  const seconds = numberOf(query.getAll('seconds').at(-1), { usual: 10, most: 300 })
  if (seconds === undefined) return text(400, 'invalid seconds value; expected 1-300\n')
  const frequency = numberOf(query.getAll('frequency').at(-1), { usual: 100, most: 1_000 })
  if (frequency === undefined) return text(400, 'invalid frequency value; expected 1-1000\n')
  return { status: 200, body: await profiler.cpu({ seconds, frequency }) }
}

async function toggleHeap(value: string | undefined, profiler: ZtunnelProfiler): Promise<HttpResponse> {
  if (value !== undefined && value !== 'true' && value !== 'false')
    return text(400, `invalid activate value ${JSON.stringify(value)}; expected true or false\n`)
  if (value !== undefined) await profiler.activateHeap(value === 'true')
  return text(200, `heap profiling active: ${profiler.heapActive()}\n`)
}

function numberOf(text: string | undefined, { usual, most }: { usual: number; most: number }): number | undefined {
  if (text === undefined) return usual
  const number = /^\+?[0-9]{1,9}$/.test(text) ? Number(text) : 0
  return number >= 1 && number <= most ? number : undefined
}

const text = (status: number, body: string): HttpResponse => ({ status, contentType: 'text/plain', body })
