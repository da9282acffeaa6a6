import type { ContainerProcess } from '../containers/container-process.ts'
import { allNamespaces, enter } from '../machine/enter.ts'
import { runCommand } from '../machine/run-command.ts'
import { probeContainer } from '../probes/prober.ts'
import { type ContainerRecord, fieldPath } from './container-record.ts'
import type { ContainerRunOptions } from './container-run.ts'
import { stopContainer } from './stop-container.ts'

/** Probes one run of a container until the signal aborts; what they find goes into its record and into Events. */
export function startProbes(options: ContainerRunOptions, process: ContainerProcess, signal: AbortSignal): void {
  const { context, record, sandbox, onChange, pod } = options
  const target = {
    container: record.spec,
    ip: sandbox.addresses[0]!,
    nodeNetns: context.node.netns,
    exec: async (command: readonly string[], timeout: number) => {
      const { code, stdout, stderr } = await runCommand(enter(process.pid, allNamespaces, command), {
        env: Object.fromEntries(record.environment),
        timeout
      })
      return { code, output: stdout + stderr }
    }
  }
  const set = (change: Partial<Pick<ContainerRecord, 'ready' | 'started'>>): void => {
    if (signal.aborted) return
    Object.assign(record, change)
    onChange()
  }
  const handler = {
    started: () => set({ started: true }),
    ready: (ready: boolean) => set({ ready }),
    failed: (kind: string, message: string) => {
      context.events.record(pod(), 'Warning', 'Unhealthy', `${kind} probe failed: ${message}`, fieldPath(record))
    },
    unhealthy: (kind: string) => {
      const message = `Container ${record.spec.name} failed ${kind.toLowerCase()} probe, will be restarted`
      context.events.record(pod(), 'Normal', 'Killing', message, fieldPath(record))
      void stopContainer(record, (pod().spec?.terminationGracePeriodSeconds ?? 30) * 1000)
    }
  }
  probeContainer(record.spec, target, handler, signal).catch(context.onError)
}
