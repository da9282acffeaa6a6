import { setTimeout as pause } from 'node:timers/promises'
import type { TrafficCapture } from '@culvert/iptables'
import { NodeAgentError, reasonOf } from '../errors.ts'
import type { EnrolmentLog } from '../pods/enrolment.ts'

type HostCapture = Pick<TrafficCapture, 'backend' | 'createHostRules' | 'deleteHostRules' | 'probeAddresses'>

const attempts = 11
const betweenAttempts = 2000

/** Empty sets; an agent that starts fills them anew from the pods it finds. */
export async function createProbeSets(capture: HostCapture, log: EnrolmentLog): Promise<void> {
  await capture.probeAddresses.create()
  try {
    await capture.probeAddresses.flush()
  } catch (error) {
    log.warn(`cannot empty the probe address sets: ${reasonOf(error)}`)
  }
}

/**
 * The rules that give kubelet's probes their address (docs/spec/capture.md 6.3). Tried for about 20 s: another program
 * may hold the lock, or the kubelet be starting.
 */
export async function installHostRules(
  capture: HostCapture,
  options: {
    log: EnrolmentLog
    signal: AbortSignal
    wait?: (milliseconds: number, signal: AbortSignal) => Promise<unknown>
  }
): Promise<void> {
  const { log, signal, wait = (ms, stop) => pause(ms, undefined, { signal: stop }) } = options
  for (let attempt = 1; ; attempt++) {
    try {
      // The transaction of nftables flushes by itself.
      if (capture.backend === 'iptables') await capture.deleteHostRules()
      return await capture.createHostRules()
    } catch (error) {
      if (attempt === attempts) {
        throw new NodeAgentError('AGENT_START', `cannot create the host's rules: ${reasonOf(error)}`, { cause: error })
      }
      log.warn(`attempt ${attempt} of ${attempts} to create the host's rules: ${reasonOf(error)}`)
    }
    await wait(betweenAttempts, signal)
  }
}

/** Every step is tried, whatever the others do: this is the way out. */
export async function removeHostState(capture: HostCapture, log: EnrolmentLog): Promise<void> {
  const steps = [
    () => capture.deleteHostRules(),
    () => capture.probeAddresses.flush(),
    () => capture.probeAddresses.destroy()
  ]
  for (const step of steps) {
    try {
      await step()
    } catch (error) {
      log.warn(`cleaning up the host: ${reasonOf(error)}`)
    }
  }
}
