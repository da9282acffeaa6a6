import type { KubernetesClient } from '@culvert/kubernetes'
import type { Logger } from '@culvert/telemetry'
import type { Clock } from '@culvert/clock'
import { type LeaderElection, startLeaderElection } from './leader-election.ts'
import { configMapLock, leaseLock } from './leader-locks.ts'

export interface Elections {
  /** Takes part in one more; `onLead` each time it is won. */
  run(kind: 'Lease' | 'ConfigMap', name: string, onLead: () => void): void
  /** False too for an election that does not run. */
  leads(name: string): boolean
  stop(): Promise<void>
}

/** The elections of one replica (docs/spec/identity-ca.md 3.7 has their names and forms). */
export function createElections(options: {
  readonly client: Pick<KubernetesClient, 'get' | 'create' | 'replace'>
  readonly namespace: string
  readonly identity: string
  readonly clock: Clock
  readonly log: Logger
}): Elections {
  const { client, namespace, identity, clock, log } = options
  const running = new Map<string, LeaderElection>()
  let stopped = false
  return {
    run(kind, name, onLead) {
      if (stopped) return
      const lock = (kind === 'Lease' ? leaseLock : configMapLock)(client, namespace, name)
      running.set(name, startLeaderElection({ lock, identity, onLead, clock, log }))
    },
    leads: name => running.get(name)?.leads ?? false,
    async stop() {
      stopped = true
      await Promise.all([...running.values()].map(election => election.stop()))
    }
  }
}
