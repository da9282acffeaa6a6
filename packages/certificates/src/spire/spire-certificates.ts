import { createHash } from 'node:crypto'
import { type Clock, systemClock } from '@culvert/clock'
import type { CertificateManager, CertificateState } from '../certificate-manager.ts'
import { CertificateError } from '../errors.ts'
import type { WorkloadCertificate } from '../workload-certificate.ts'
import type { Selector, SvidMessage } from './delegated-identity.ts'
import type { SpireAgent } from './spire-agent.ts'
import { readBundles, readSvid, type Svid } from './svid.ts'

export interface SpirePod {
  readonly uid: string
  readonly name: string
  readonly namespace: string
  readonly serviceAccount: string
}

/** Certificates as a SPIRE agent has them for the pods of this node. It renews them; here nothing is asked for twice. */
export interface SpireCertificates extends CertificateManager {
  /** From now on with what the agent has for this pod; the returned function ends that. */
  readonly follow: (pod: SpirePod) => () => void
}

export interface SpireCertificatesOptions {
  readonly agent: SpireAgent
  readonly clock?: Clock
  /** What the agent sent and cannot be used, and failures of the connection to it. */
  readonly onProblem?: (error: Error) => void
}

interface Followed {
  svids: ReadonlyMap<string, Svid>
  /** Whether there was an answer, or a failure, to its question. */
  heard: boolean
}

/** Readers of one identity; all of them go when the first has waited long enough. */
interface Waiting {
  readonly readers: {
    readonly resolve: (certificate: WorkloadCertificate) => void
    readonly reject: (error: Error) => void
  }[]
  readonly stopTimer: () => void
}

/** Milliseconds. The agent says nothing of a pod until its certificate is minted, and may say nothing at all. */
const patience = 10_000

/** docs/spec/identity-ca.md 5.2. */
export function createSpireCertificates({
  agent,
  clock = systemClock,
  onProblem
}: SpireCertificatesOptions): SpireCertificates {
  const pods = new Set<Followed>()
  const waiting = new Map<string, Waiting>()
  const made = new WeakMap<Svid, WorkloadCertificate>()
  let roots: ReadonlyMap<string, readonly string[]> = new Map()
  let rootsHeard = false
  let failure: Error | undefined
  let closed = false

  const problem = (error: Error): void => {
    failure = error
    onProblem?.(error)
  }
  const endBundles = agent.bundles({
    update(response) {
      rootsHeard = true
      try {
        roots = readBundles(response)
      } catch (error) {
        problem(error as Error)
      }
      settle()
    },
    failed(error) {
      rootsHeard = true
      problem(error)
      settle()
    }
  })

  /** The one that lasts longest, where several pods run as the identity. */
  function held(identity: string): Svid | undefined {
    let best: Svid | undefined
    for (const { svids } of pods) {
      const svid = svids.get(identity)
      if (svid !== undefined && (best === undefined || svid.notAfter > best.notAfter)) best = svid
    }
    return best
  }

  function current(identity: string): WorkloadCertificate | undefined {
    const svid = held(identity)
    const own = svid && roots.get(svid.trustDomain)
    if (svid === undefined || own === undefined || svid.notAfter.getTime() <= clock.now()) return undefined
    const before = made.get(svid)
    if (before?.roots === own) return before
    // Other roots make another credential of it.
    const { identity: _, trustDomain: __, ...rest } = svid
    const certificate = { ...rest, id: `${svid.id} ${fingerprint(own)}`, roots: own }
    made.set(svid, certificate)
    return certificate
  }

  const undecided = (): boolean => !rootsHeard || [...pods].some(({ heard }) => !heard)

  function why(identity: string): CertificateError {
    const svid = held(identity)
    const unavailable = (what: string): CertificateError =>
      new CertificateError('CERTIFICATE_UNAVAILABLE', what, { cause: failure })
    if (svid === undefined) {
      const because = failure === undefined ? '' : `: ${failure.message}`
      return unavailable(`the SPIRE agent has no certificate of ${identity} for the pods here${because}`)
    }
    return roots.has(svid.trustDomain)
      ? unavailable(`the certificate of ${identity} expired at ${svid.notAfter.toISOString()}`)
      : unavailable(`the SPIRE agent has no roots of the trust domain ${svid.trustDomain}`)
  }

  function settle(): void {
    for (const identity of [...waiting.keys()]) {
      if (current(identity) !== undefined || !undecided()) answer(identity)
    }
  }

  function answer(identity: string): void {
    const { readers = [], stopTimer } = waiting.get(identity) ?? {}
    waiting.delete(identity)
    stopTimer?.()
    const certificate = current(identity)
    for (const { resolve, reject } of readers) certificate === undefined ? reject(why(identity)) : resolve(certificate)
  }

  function readable(messages: readonly SvidMessage[]): ReadonlyMap<string, Svid> {
    const svids = new Map<string, Svid>()
    for (const message of messages) {
      try {
        const svid = readSvid(message)
        // The first of several is the default.
        if (!svids.has(svid.identity)) svids.set(svid.identity, svid)
      } catch (error) {
        problem(error as Error)
      }
    }
    return svids
  }

  function describe(identity: string): CertificateState {
    const certificate = current(identity)
    if (certificate !== undefined) return { identity, state: 'Available', certificate }
    return waiting.has(identity)
      ? { identity, state: 'Initializing' }
      : { identity, state: 'Unavailable', error: why(identity) }
  }

  return {
    follow(pod) {
      const followed: Followed = { svids: new Map(), heard: false }
      pods.add(followed)
      const end = agent.svids(selectorsOf(pod), {
        update({ x509Svids }) {
          failure = undefined
          followed.svids = readable(x509Svids)
          followed.heard = true
          settle()
        },
        failed(error) {
          // What it said before counts until it expires.
          followed.heard = true
          problem(error)
          settle()
        }
      })
      return () => {
        end()
        pods.delete(followed)
        settle()
      }
    },
    certificate: identity =>
      new Promise((resolve, reject) => {
        if (closed) return reject(forgotten())
        const certificate = current(identity)
        if (certificate !== undefined) return resolve(certificate)
        if (!undecided()) return reject(why(identity))
        const { readers, stopTimer } = waiting.get(identity) ?? {
          readers: [],
          stopTimer: clock.after(patience, () => answer(identity))
        }
        waiting.set(identity, { readers, stopTimer })
        readers.push({ resolve, reject })
      }),
    peek: current,
    // Pods decide what is needed, not readers.
    forget: () => undefined,
    dump: () => {
      const identities = new Set([...waiting.keys(), ...[...pods].flatMap(({ svids }) => [...svids.keys()])])
      return [...identities].sort().map(describe)
    },
    close() {
      closed = true
      endBundles()
      agent.close()
      for (const { readers, stopTimer } of waiting.values()) {
        stopTimer()
        for (const { reject } of readers) reject(forgotten())
      }
      waiting.clear()
    }
  }
}

/** Entries for pods always name the uid; an entry matches when all its selectors are among these. */
const selectorsOf = ({ uid, name, namespace, serviceAccount }: SpirePod): readonly Selector[] =>
  [`ns:${namespace}`, `sa:${serviceAccount}`, `pod-uid:${uid}`, `pod-name:${name}`].map(value => ({
    type: 'k8s',
    value
  }))

const fingerprint = (roots: readonly string[]): string => createHash('sha256').update(roots.join()).digest('base64')

const forgotten = (): CertificateError =>
  new CertificateError('CERTIFICATE_FORGOTTEN', 'the identity is no longer needed')
