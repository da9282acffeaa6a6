import { enter } from '../machine/enter.ts'
import { runChecked } from '../machine/run-command.ts'
import type { LabNode } from '../node/node.ts'
import { servicePorts } from './service-ports.ts'
import { serviceRules } from './service-rules.ts'
import type { ServiceState } from './service-state.ts'

export interface ServiceProxyOptions {
  readonly node: LabNode
  readonly state: ServiceState
  readonly serviceCidr: string
  readonly signal: AbortSignal
  readonly onError: (error: unknown) => void
}

/** Keeps a node's service rules at the cluster's state. Resolves once the rules of this moment are in place. */
export async function startServiceProxy(options: ServiceProxyOptions): Promise<void> {
  const { node, state, serviceCidr, signal, onError } = options
  let applied = ''
  const apply = async (): Promise<void> => {
    const rules = serviceRules(servicePorts(state.services(), state.slices, node.name), serviceCidr)
    if (rules === applied) return
    await runChecked(enter(node.pid, { net: true }, ['nft', '-f', '-']), { input: rules, signal })
    applied = rules
  }
  // One at a time, and only the newest state of those that came meanwhile.
  let running = false
  let again = false
  const follow = async (): Promise<void> => {
    again = true
    if (running) return
    running = true
    while (again && !signal.aborted) {
      again = false
      await apply().catch(error => {
        if (!signal.aborted) onError(error)
      })
    }
    running = false
  }
  const stop = state.onChange(() => void follow())
  signal.addEventListener('abort', stop)
  await apply()
}
