import { setTimeout as after } from 'node:timers/promises'
import { cpuProfile, heapProfile, type SampledHeap } from './from-v8.ts'
import { encodeProfile } from './pprof.ts'

/** Profiles of the thread that decides, in pprof's format. The threads of the tunnel engine are not in them. */
export interface ZtunnelProfiler {
  /** Ends early when the process does. @throws Error while another one is being taken. */
  readonly cpu: (options: { readonly seconds: number; readonly frequency: number }) => Promise<Uint8Array>
  /** Undefined while sampling is off. */
  readonly heap: () => Promise<Uint8Array | undefined>
  readonly heapActive: () => boolean
  readonly activateHeap: (active: boolean) => Promise<void>
}

/** As often as upstream's allocator samples. */
const heapInterval = 512 * 1024

export function createProfiler({ signal }: { readonly signal: AbortSignal }): ZtunnelProfiler {
  let takingCpu = false
  let heapSession: Awaited<ReturnType<typeof openSession>> | undefined

  return {
    async cpu({ seconds, frequency }) {
      if (takingCpu) throw new Error('a CPU profile is being taken already')
      takingCpu = true
      try {
        using session = await openSession()
        await session.post('Profiler.enable')
        await session.post('Profiler.setSamplingInterval', { interval: Math.round(1e6 / frequency) })
        const takenAt = Date.now()
        await session.post('Profiler.start')
        await after(seconds * 1_000, undefined, { signal }).catch(() => undefined)
        const { profile } = await session.post('Profiler.stop')
        return encodeProfile(cpuProfile(profile, { periodNanos: 1e9 / frequency, takenAt }))
      } finally {
        takingCpu = false
      }
    },
    async heap() {
      if (heapSession === undefined) return undefined
      const { profile } = await heapSession.post('HeapProfiler.getSamplingProfile')
      return encodeProfile(
        heapProfile(profile as unknown as SampledHeap, { periodBytes: heapInterval, takenAt: Date.now() })
      )
    },
    heapActive: () => heapSession !== undefined,
    async activateHeap(active) {
      if (active === (heapSession !== undefined)) return
      if (!active) {
        heapSession?.[Symbol.dispose]()
        heapSession = undefined
        return
      }
      const session = await openSession()
      // Asked for twice at once: the first one stays.
      if (heapSession !== undefined) return session[Symbol.dispose]()
      heapSession = session
      await session.post('HeapProfiler.startSampling', { samplingInterval: heapInterval })
    }
  }
}

/** Loaded when first needed: most processes are never profiled. */
async function openSession() {
  const { Session } = await import('node:inspector/promises')
  const session = new Session()
  session.connect()
  return {
    post: session.post.bind(session) as typeof session.post,
    [Symbol.dispose]: () => session.disconnect()
  }
}
