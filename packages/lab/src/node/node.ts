import fs from 'node:fs'
import path from 'node:path'
import { type Netns, openNetns } from '@culvert/netns'
import type { ClusterNode } from '../cluster/cluster-types.ts'
import type { NodePlan } from '../fabric/network-plan.ts'
import { allNamespaces, enter } from '../machine/enter.ts'
import { startHolder } from '../machine/namespace-holder.ts'
import { runCommand, systemPath } from '../machine/run-command.ts'
import { visibleMounts } from '../machine/visible-mounts.ts'
import { baseConflist } from './base-conflist.ts'
import { nodeRootScript } from './node-root.ts'

/** A node with its namespaces, before any kubelet runs on it. */
export interface LabNode extends ClusterNode {
  readonly plan: NodePlan
  readonly netns: Netns
  /** The mounts of the machine that containers repeat in their roots. */
  readonly machineMounts: readonly string[]
  writeFile(path: string, content: string, mode?: number): void
  close(): Promise<void>
}

export interface NodeOptions {
  readonly plan: NodePlan
  /** Runtime directory of the cluster. */
  readonly directory: string
  readonly signal?: AbortSignal | undefined
}

export async function startNode({ plan, directory, signal }: NodeOptions): Promise<LabNode> {
  const base = path.join(directory, 'nodes', plan.name)
  fs.mkdirSync(base, { recursive: true })
  const machineMounts = visibleMounts(fs.readFileSync('/proc/self/mountinfo', 'utf8'))
  const holder = await startHolder({
    name: plan.name,
    namespaces: ['mount', 'net', 'uts', 'ipc'],
    shell: kubeletShell(directory),
    script: nodeRootScript({ hostname: plan.name, base, mounts: machineMounts }),
    signal
  })
  const netns = openNetns(`/proc/${holder.pid}/ns/net`)
  const inside = (file: string): string => path.join(`/proc/${holder.pid}/root`, file)
  const node: LabNode = {
    name: plan.name,
    ip: plan.ip,
    podCidr: plan.podCidr,
    plan,
    netns,
    machineMounts,
    pid: holder.pid,
    path: inside,
    exec: (command, options = {}) =>
      runCommand(enter(holder.pid, allNamespaces, command), {
        ...options,
        env: { PATH: systemPath, HOME: '/root', ...options.env }
      }),
    writeFile: (file, content, mode = 0o644) => {
      fs.mkdirSync(path.dirname(inside(file)), { recursive: true })
      fs.writeFileSync(inside(file), content, { mode })
    },
    close: async () => {
      netns.close()
      await holder.close()
    }
  }
  node.writeFile('/etc/cni/net.d/10-lab.conflist', `${JSON.stringify(baseConflist(plan), null, 2)}\n`)
  return node
}

/**
 * bash under the name `kubelet`: whoever looks for the node's kubelet among its processes, as the nftables back end of
 * the node agent does for its user id (docs/spec/capture.md 6.2), finds process 1.
 */
function kubeletShell(directory: string): string {
  const link = path.join(directory, 'kubelet')
  if (!fs.existsSync(link)) fs.symlinkSync('/bin/bash', link)
  return link
}
