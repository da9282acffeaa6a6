import { createHash } from 'node:crypto'
import type { Clock } from '@culvert/clock'
import { CertificateError } from '../errors.ts'
import type { WorkloadCertificate } from '../workload-certificate.ts'
import type { BundlesResponse, SvidMessage } from './delegated-identity.ts'
import { readBundles, readSvid, type Svid } from './svid.ts'

/** What the agent said of one pod. */
export interface PodSvids {
  svids: ReadonlyMap<string, Svid>
  /** Whether there was an answer, or a failure, to the pod's question. */
  heard: boolean
}

/** What a SPIRE agent said, of the pods that are followed and of trust domains, as certificates by identity. */
export class HeldCertificates {
  readonly #clock: Clock
  readonly #onProblem: ((error: Error) => void) | undefined
  readonly #pods = new Set<PodSvids>()
  readonly #made = new WeakMap<Svid, WorkloadCertificate>()
  #roots: ReadonlyMap<string, readonly string[]> = new Map()
  #rootsHeard = false
  /** The last one since an answer for a pod, for who asks why there is no certificate. */
  #problem: Error | undefined

  constructor(clock: Clock, onProblem: ((error: Error) => void) | undefined) {
    this.#clock = clock
    this.#onProblem = onProblem
  }

  addPod(): PodSvids {
    const pod = { svids: new Map(), heard: false }
    this.#pods.add(pod)
    return pod
  }

  deletePod(pod: PodSvids): void {
    this.#pods.delete(pod)
  }

  setSvids(pod: PodSvids, messages: readonly SvidMessage[]): void {
    this.#problem = undefined
    pod.svids = this.#readable(messages)
    pod.heard = true
  }

  /** What it said before counts until it expires. */
  svidsFailed(pod: PodSvids, error: Error): void {
    pod.heard = true
    this.#report(error)
  }

  setRoots(response: BundlesResponse): void {
    this.#rootsHeard = true
    try {
      this.#roots = readBundles(response)
    } catch (error) {
      this.#report(error as Error)
    }
  }

  rootsFailed(error: Error): void {
    this.#rootsHeard = true
    this.#report(error)
  }

  /** The certificate that can be used now. */
  current(identity: string): WorkloadCertificate | undefined {
    const svid = this.#longestLasting(identity)
    const roots = svid && this.#roots.get(svid.trustDomain)
    if (svid === undefined || roots === undefined || svid.notAfter.getTime() <= this.#clock.now()) return undefined
    const before = this.#made.get(svid)
    if (before?.roots === roots) return before
    // Other roots make another credential of it.
    const { identity: _, trustDomain: __, ...rest } = svid
    const certificate = { ...rest, id: `${svid.id} ${fingerprint(roots)}`, roots }
    this.#made.set(svid, certificate)
    return certificate
  }

  /** Why there is none. */
  unavailable(identity: string): CertificateError {
    const svid = this.#longestLasting(identity)
    return new CertificateError('CERTIFICATE_UNAVAILABLE', this.#missing(identity, svid), { cause: this.#problem })
  }

  /** Whether what is not there may still come with a first answer. */
  isUndecided(): boolean {
    return !this.#rootsHeard || [...this.#pods].some(({ heard }) => !heard)
  }

  identities(): readonly string[] {
    return [...this.#pods].flatMap(({ svids }) => [...svids.keys()])
  }

  /** Of the pods that run as the identity. */
  #longestLasting(identity: string): Svid | undefined {
    let best: Svid | undefined
    for (const { svids } of this.#pods) {
      const svid = svids.get(identity)
      if (svid !== undefined && (best === undefined || svid.notAfter > best.notAfter)) best = svid
    }
    return best
  }

  #missing(identity: string, svid: Svid | undefined): string {
    if (svid === undefined) {
      const because = this.#problem === undefined ? '' : `: ${this.#problem.message}`
      return `the SPIRE agent has no certificate of ${identity} for the pods here${because}`
    }
    return this.#roots.has(svid.trustDomain)
      ? `the certificate of ${identity} expired at ${svid.notAfter.toISOString()}`
      : `the SPIRE agent has no roots of the trust domain ${svid.trustDomain}`
  }

  #readable(messages: readonly SvidMessage[]): ReadonlyMap<string, Svid> {
    const svids = new Map<string, Svid>()
    for (const message of messages) {
      try {
        const svid = readSvid(message)
        // The first of several is the default.
        if (!svids.has(svid.identity)) svids.set(svid.identity, svid)
      } catch (error) {
        this.#report(error as Error)
      }
    }
    return svids
  }

  #report(error: Error): void {
    this.#problem = error
    this.#onProblem?.(error)
  }
}

const fingerprint = (roots: readonly string[]): string => createHash('sha256').update(roots.join()).digest('base64')
