import fs from 'node:fs'
import { inNetns, type Netns, openNetns } from '@culvert/netns'
import { LabError, reasonOf } from '../errors.ts'
import { enter } from '../machine/enter.ts'
import { type NamespaceHolder, startHolder } from '../machine/namespace-holder.ts'
import { runChecked } from '../machine/run-command.ts'
import { fabricBatch, nodeBatch, nodeSysctls } from './ip-batches.ts'
import type { NetworkPlan } from './network-plan.ts'

/** The network between the nodes: a bridge in a namespace of its own, with the API server and DNS at its address. */
export interface Fabric {
  readonly netns: Netns
  readonly pid: number
  /** Wires the nodes up; each is given by a process in its network namespace. */
  connect(nodes: ReadonlyMap<string, { readonly pid: number; readonly netns: Netns }>): Promise<void>
  close(): Promise<void>
}

export async function createFabric(plan: NetworkPlan, options: { signal?: AbortSignal | undefined }): Promise<Fabric> {
  const { signal } = options
  const holder: NamespaceHolder = await startHolder({
    name: 'fabric',
    namespaces: ['net'],
    shell: 'bash',
    signal
  })
  const netns = openNetns(`/proc/${holder.pid}/ns/net`)
  return {
    netns,
    pid: holder.pid,
    connect: async nodes => {
      const pids = new Map([...nodes].map(([name, { pid }]) => [name, pid]))
      await batch(holder.pid, fabricBatch(plan, pids), signal)
      await Promise.all(
        plan.nodes.map(async node => {
          const { pid, netns: nodeNetns } = nodes.get(node.name)!
          setSysctls(node.name, nodeNetns)
          await batch(pid, nodeBatch(plan, node), signal)
        })
      )
    },
    close: async () => {
      netns.close()
      await holder.close()
    }
  }
}

async function batch(pid: number, input: string, signal: AbortSignal | undefined): Promise<void> {
  await runChecked(enter(pid, { net: true }, ['ip', '-batch', '-']), { input, signal })
}

function setSysctls(node: string, netns: Netns): void {
  for (const [name, value] of Object.entries(nodeSysctls)) {
    try {
      inNetns(netns, () => fs.writeFileSync(`/proc/sys/net/${name}`, value))
    } catch (error) {
      const hint = name.startsWith('bridge/') ? '; is the kernel module br_netfilter loaded?' : ''
      throw new LabError('LAB_NODE', `${node}: cannot set net.${name} to ${value}: ${reasonOf(error)}${hint}`, {
        cause: error
      })
    }
  }
}
