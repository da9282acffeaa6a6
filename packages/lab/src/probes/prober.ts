import type { V1Container, V1Probe } from '@culvert/kubernetes'
import { createBackOff, pause } from '../kubelet/back-off.ts'
import { type ProbeResult, type ProbeTarget, runProbe } from './run-probe.ts'

export interface ProberHandler {
  started(): void
  ready(ready: boolean): void
  /** The startup or liveness probe gave up on the container. */
  unhealthy(kind: 'Startup' | 'Liveness', message: string): void
  failed(kind: 'Startup' | 'Liveness' | 'Readiness', message: string): void
}

/** Watches one run of a container with its probes until the signal aborts. */
export async function probeContainer(
  container: V1Container,
  target: ProbeTarget,
  handler: ProberHandler,
  signal: AbortSignal
): Promise<void> {
  const { startupProbe, readinessProbe, livenessProbe } = container
  if (startupProbe) {
    const passed = await untilVerdict(startupProbe, target, signal, message => handler.failed('Startup', message))
    if (signal.aborted) return
    if (passed !== true) return handler.unhealthy('Startup', passed)
  }
  handler.started()
  await Promise.all([
    readinessProbe ? watchReadiness(readinessProbe, target, handler, signal) : handler.ready(true),
    livenessProbe ? watchLiveness(livenessProbe, target, handler, signal) : undefined
  ])
}

const periodOf = (probe: V1Probe): number => (probe.periodSeconds ?? 10) * 1000
const failureLimit = (probe: V1Probe): number => probe.failureThreshold ?? 3

/** true after the first success, the last failure's message after too many of them. */
async function untilVerdict(
  probe: V1Probe,
  target: ProbeTarget,
  signal: AbortSignal,
  onFailure: (message: string) => void
): Promise<true | string> {
  await pause((probe.initialDelaySeconds ?? 0) * 1000, signal)
  for (let failures = 0; !signal.aborted; ) {
    const result = await runProbe(probe, target)
    if (signal.aborted) break
    if (result.success) return true
    onFailure(result.message)
    failures += 1
    if (failures >= failureLimit(probe)) return result.message
    await pause(periodOf(probe), signal)
  }
  return 'aborted'
}

async function watchLiveness(
  probe: V1Probe,
  target: ProbeTarget,
  handler: ProberHandler,
  signal: AbortSignal
): Promise<void> {
  while (!signal.aborted) {
    const verdict = await untilVerdict(probe, target, signal, message => handler.failed('Liveness', message))
    if (signal.aborted) return
    if (verdict !== true) return handler.unhealthy('Liveness', verdict)
    await pause(periodOf(probe), signal)
  }
}

async function watchReadiness(
  probe: V1Probe,
  target: ProbeTarget,
  handler: ProberHandler,
  signal: AbortSignal
): Promise<void> {
  await pause((probe.initialDelaySeconds ?? 0) * 1000, signal)
  // A container that is not ready yet is asked more often: nobody waits ten seconds for a server that was up after one.
  const period = periodOf(probe)
  const impatience = createBackOff(Math.min(100, period), period)
  const begun = performance.now()
  let ready = false
  let streak = 0
  let last: ProbeResult['success'] | undefined
  while (!signal.aborted) {
    const result = await runProbe(probe, target)
    if (signal.aborted) return
    streak = result.success === last ? streak + 1 : 1
    last = result.success
    // Of a container's first moments only the end is of interest.
    if (!result.success && (ready || performance.now() - begun >= period)) handler.failed('Readiness', result.message)
    const needed = result.success ? (probe.successThreshold ?? 1) : failureLimit(probe)
    if (streak >= needed && result.success !== ready) {
      ready = result.success
      handler.ready(ready)
      impatience.reset()
    }
    await pause(ready ? period : impatience.next(), signal)
  }
}
