import { type Clock, systemClock } from '@culvert/clock'
import type { CertificateManager, CertificateState, Waiter } from '../certificate-manager.ts'
import { forgotten } from '../errors.ts'
import type { Selector } from './delegated-identity.ts'
import { HeldCertificates } from './held-certificates.ts'
import type { SpireAgent } from './spire-agent.ts'

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

/** Those who wait for the certificate of one identity; all of them go when the first has waited long enough. */
interface Waiting {
  readonly waiters: Waiter[]
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
  const held = new HeldCertificates(clock, onProblem)
  const waiting = new Map<string, Waiting>()
  let closed = false

  const endBundles = agent.bundles({
    update(response) {
      held.setRoots(response)
      settle()
    },
    failed(error) {
      held.rootsFailed(error)
      settle()
    }
  })

  function settle(): void {
    for (const identity of [...waiting.keys()]) {
      if (held.current(identity) !== undefined || !held.isUndecided()) answer(identity)
    }
  }

  function answer(identity: string): void {
    const certificate = held.current(identity)
    for (const { resolve, reject } of takeWaiters(identity)) {
      if (certificate === undefined) reject(held.unavailable(identity))
      else resolve(certificate)
    }
  }

  function takeWaiters(identity: string): readonly Waiter[] {
    const { waiters = [], stopTimer } = waiting.get(identity) ?? {}
    waiting.delete(identity)
    stopTimer?.()
    return waiters
  }

  function describe(identity: string): CertificateState {
    const certificate = held.current(identity)
    if (certificate !== undefined) return { identity, state: 'Available', certificate }
    return waiting.has(identity)
      ? { identity, state: 'Initializing' }
      : { identity, state: 'Unavailable', error: held.unavailable(identity) }
  }

  return {
    follow(pod) {
      const followed = held.addPod()
      const end = agent.svids(selectorsOf(pod), {
        update({ x509Svids }) {
          held.setSvids(followed, x509Svids)
          settle()
        },
        failed(error) {
          held.svidsFailed(followed, error)
          settle()
        }
      })
      return () => {
        end()
        held.deletePod(followed)
        settle()
      }
    },
    certificate: identity =>
      new Promise((resolve, reject) => {
        if (closed) return reject(forgotten())
        const certificate = held.current(identity)
        if (certificate !== undefined) return resolve(certificate)
        if (!held.isUndecided()) return reject(held.unavailable(identity))
        const { waiters, stopTimer } = waiting.get(identity) ?? {
          waiters: [],
          stopTimer: clock.after(patience, () => answer(identity))
        }
        waiting.set(identity, { waiters, stopTimer })
        waiters.push({ resolve, reject })
      }),
    peek: identity => held.current(identity),
    // Pods decide what is needed, not those who ask.
    forget: () => undefined,
    dump: () => [...new Set([...waiting.keys(), ...held.identities()])].sort().map(describe),
    close() {
      closed = true
      endBundles()
      agent.close()
      for (const identity of [...waiting.keys()]) {
        for (const { reject } of takeWaiters(identity)) reject(forgotten())
      }
    }
  }
}

/** Entries for pods always name the uid; an entry matches when all its selectors are among these. */
const selectorsOf = ({ uid, name, namespace, serviceAccount }: SpirePod): readonly Selector[] =>
  [`ns:${namespace}`, `sa:${serviceAccount}`, `pod-uid:${uid}`, `pod-name:${name}`].map(value => ({
    type: 'k8s',
    value
  }))
