import { KubernetesError } from '@culvert/kubernetes'
import type { Logger } from '@culvert/telemetry'
import type { Clock } from '@culvert/clock'
import type { LeaderLock } from './leader-locks.ts'
import { electionStep, type LeaderRecord } from './leader-record.ts'

export interface LeaderElection {
  readonly leads: boolean
  /** Gives the lead up, so that the next replica need not wait for the lease to end. */
  stop(): Promise<void>
}

export interface LeaderElectionOptions {
  readonly lock: LeaderLock
  /** The pod's name. */
  readonly identity: string
  readonly leaseSeconds?: number
  /** Called each time the lead is won. */
  readonly onLead: () => void
  readonly clock: Clock
  readonly log: Logger
}

/** Takes part in an election as client-go does, so that replicas of either project share the work. */
export function startLeaderElection(options: LeaderElectionOptions): LeaderElection {
  const { lock, identity, leaseSeconds = 30, onLead, clock, log } = options
  let won = false
  let renewedAt = 0
  let seenVersion: string | undefined
  let unchangedSince = clock.now()
  let last: LeaderRecord | undefined
  let stopped = false
  let cancel = (): void => {}
  let turn = Promise.resolve()

  // Another may take the lead once the lease is over, so this one gives it up a little earlier: also while the API server
  // does not answer.
  const leads = (): boolean => won && clock.now() - renewedAt <= leaseSeconds * 750

  async function look(): Promise<void> {
    const { record, version } = await lock.read()
    if (version !== seenVersion) {
      seenVersion = version
      unchangedSince = clock.now()
    }
    const step = electionStep(record, { identity, leaseSeconds, now: clock.now(), unchangedSince })
    if (step.kind === 'wait') {
      won = false
      return
    }
    const asked = clock.now()
    await lock.write(step.record)
    last = step.record
    const led = leads()
    won = true
    renewedAt = asked
    if (led) return
    log.info(`leading ${lock.name}`)
    onLead()
  }

  function next(): void {
    if (stopped) return
    turn = look().catch(error => {
      const lost = error instanceof KubernetesError && /CONFLICT|ALREADY_EXISTS/.test(error.code)
      if (lost) won = false
      else log.warn(`election ${lock.name}: ${(error as Error).message}`)
    })
    void turn.then(() => {
      if (!stopped) cancel = clock.after(leaseSeconds * 250, next)
    })
  }
  next()

  return {
    get leads() {
      return leads()
    },
    async stop() {
      stopped = true
      cancel()
      await turn
      if (!leads() || last === undefined) return
      won = false
      await lock.write({ ...last, holder: '', leaseSeconds: 1 }).catch(error => {
        log.debug(`election ${lock.name}: cannot give up the lead: ${(error as Error).message}`)
      })
    }
  }
}
