import { type Clock, systemClock } from '@culvert/clock'
import { forgotten } from './errors.ts'
import { type Failures, nextFailure, retryDelay } from './retry-delay.ts'
import type { WorkloadCertificate } from './workload-certificate.ts'

/** A connection waits for it; it will be needed; it is renewed. */
type CertificatePriority = 'realtime' | 'warmup' | 'background'

export interface CertificateManagerOptions {
  /** Asks the CA for one identity; every call makes a new key. */
  readonly fetch: (identity: string) => Promise<WorkloadCertificate>
  readonly clock?: Clock
  /** In [0, 1), for the back-off's jitter. */
  readonly random?: () => number
  readonly onFailure?: (identity: string, error: Error, retryInMs: number) => void
  /** Fetches under way at once; default 8 (docs/spec/identity-ca.md 4.4). */
  readonly concurrency?: number
}

/** Certificates of the identities on this node: fetched before they are needed, renewed, retried, forgotten. */
export interface CertificateManager {
  /**
   * The current certificate, even an expired one while renewals fail.
   * @throws CertificateError the fetch's, or CERTIFICATE_FORGOTTEN
   */
  certificate: (identity: string, priority?: 'realtime' | 'warmup') => Promise<WorkloadCertificate>
  /** The current certificate if one is there now; changes nothing. */
  peek: (identity: string) => WorkloadCertificate | undefined
  forget: (identity: string) => void
  /** Sorted by identity. */
  dump: () => readonly CertificateState[]
  /** Stops renewing; whoever waits, or asks later, gets CERTIFICATE_FORGOTTEN. */
  close: () => void
}

export type CertificateState = { readonly identity: string } & (
  | { readonly state: 'Initializing' }
  | { readonly state: 'Available'; readonly certificate: WorkloadCertificate }
  | { readonly state: 'Unavailable'; readonly error: Error }
)

/** Who asked for a certificate that is not there yet. */
export interface Waiter {
  readonly resolve: (certificate: WorkloadCertificate) => void
  readonly reject: (error: Error) => void
}

interface Entry {
  readonly identity: string
  priority: CertificatePriority
  /** When to fetch next, ms since the epoch. */
  due: number
  state:
    | { readonly phase: 'initializing'; readonly waiters: Waiter[] }
    | { readonly phase: 'available'; readonly certificate: WorkloadCertificate }
    | { readonly phase: 'unavailable'; readonly error: Error }
}

const rank: Record<CertificatePriority, number> = { realtime: 0, warmup: 1, background: 2 }
/** Failures of identities that nobody asks for any more are remembered this long. */
const failureMemory = 60 * 60_000

export function createCertificateManager(options: CertificateManagerOptions): CertificateManager {
  const { fetch, clock = systemClock, random = Math.random, onFailure, concurrency = 8 } = options
  const entries = new Map<string, Entry>()
  const running = new Set<string>()
  const failures = new Map<string, Failures>()
  let cancelTimer = (): void => {}
  let closed = false

  function startDue(): void {
    cancelTimer()
    if (closed) return
    const now = clock.now()
    const queued = [...entries.values()].filter(entry => !running.has(entry.identity))
    const due = queued
      .filter(entry => entry.due <= now)
      .sort((a, b) => rank[a.priority] - rank[b.priority] || a.due - b.due)
    for (const entry of due.slice(0, Math.max(0, concurrency - running.size))) void run(entry.identity)
    const next = Math.min(...queued.filter(entry => entry.due > now).map(entry => entry.due))
    if (Number.isFinite(next)) cancelTimer = clock.after(next - now, startDue)
  }

  async function run(identity: string): Promise<void> {
    running.add(identity)
    const result = await fetch(identity).then(
      certificate => ({ certificate }),
      (error: Error) => ({ error })
    )
    running.delete(identity)
    // Forgotten meanwhile: the result is dropped, unless somebody asked again.
    const entry = entries.get(identity)
    if ('error' in result) failed(identity, entry, result.error)
    else if (entry !== undefined) succeeded(entry, result.certificate)
    startDue()
  }

  function succeeded(entry: Entry, certificate: WorkloadCertificate): void {
    failures.delete(entry.identity)
    const { state } = entry
    entry.state = { phase: 'available', certificate }
    entry.priority = 'background'
    entry.due = renewalTime(certificate)
    if (state.phase === 'initializing') for (const waiter of state.waiters) waiter.resolve(certificate)
  }

  function failed(identity: string, entry: Entry | undefined, error: Error): void {
    const now = clock.now()
    for (const [name, { lastAt }] of failures) if (now - lastAt > failureMemory) failures.delete(name)
    const count = nextFailure(failures.get(identity), now)
    failures.set(identity, count)
    if (entry === undefined) return
    const delay = retryDelay(count, random)
    const { state } = entry
    entry.priority = 'background'
    if (state.phase === 'available' && state.certificate.notAfter.getTime() > now) {
      entry.due = Math.min(now + delay, state.certificate.notAfter.getTime())
    } else {
      entry.due = now + delay
      entry.state = { phase: 'unavailable', error }
      if (state.phase === 'initializing') for (const waiter of state.waiters) waiter.reject(error)
    }
    onFailure?.(identity, error, entry.due - now)
  }

  function forget(identity: string): void {
    const entry = entries.get(identity)
    entries.delete(identity)
    if (entry?.state.phase !== 'initializing') return
    for (const waiter of entry.state.waiters) waiter.reject(forgotten())
  }

  return {
    certificate: (identity, priority = 'realtime') =>
      new Promise((resolve, reject) => {
        if (closed) return reject(forgotten())
        const known = entries.get(identity)
        if (known?.state.phase === 'available') return resolve(known.state.certificate)
        if (known?.state.phase === 'unavailable') return reject(known.state.error)
        const waiter = { resolve, reject }
        if (known?.state.phase === 'initializing') {
          known.state.waiters.push(waiter)
          if (rank[priority] < rank[known.priority]) known.priority = priority
        } else {
          entries.set(identity, {
            identity,
            priority,
            due: clock.now(),
            state: { phase: 'initializing', waiters: [waiter] }
          })
        }
        startDue()
      }),
    peek: identity => {
      const state = entries.get(identity)?.state
      return state?.phase === 'available' ? state.certificate : undefined
    },
    forget,
    dump: () => [...entries.values()].map(describe).sort((a, b) => (a.identity < b.identity ? -1 : 1)),
    close: () => {
      closed = true
      cancelTimer()
      for (const identity of [...entries.keys()]) forget(identity)
    }
  }
}

/** Half of the lifetime; the end of it for a certificate that ends before it begins. */
function renewalTime({ notBefore, notAfter }: Pick<WorkloadCertificate, 'notBefore' | 'notAfter'>): number {
  const [from, to] = [notBefore.getTime(), notAfter.getTime()]
  return to < from ? to : from + (to - from) / 2
}

function describe({ identity, state }: Entry): CertificateState {
  if (state.phase === 'available') return { identity, state: 'Available', certificate: state.certificate }
  if (state.phase === 'unavailable') return { identity, state: 'Unavailable', error: state.error }
  return { identity, state: 'Initializing' }
}
